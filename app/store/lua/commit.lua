-- commit: a batch whose jobs have been staged is accepted, all of it or nothing. From then on they count as pending, and
-- `chore` makes them.
-- ARGV: id, owner, how many jobs, the longest of their result TTLs in ms, idempotency key, fingerprint, its TTL ms, most
-- submissions a minute, most live jobs of an owner, most of all, the latest moment at which one is to run (ms since 1970;
-- 0: none), the longest delay in ms, 'known' to accept nothing new, whom to tell ('<host> <url>' or ''), the key it came with, most
-- submissions a minute of that (0: as of its owner).
-- Returns {'accepted' | 'replayed', id, when, how many jobs, submissions left, ms until one more},
-- {'conflict', id}, {'unknown'},
-- {'too_late'}, {'lost'} where something else than that many jobs has been staged, or {'too_fast' | 'queue_full' |
-- 'store_full', submissions left, ms until enough}. What was staged and is not accepted is gone.

local id, owner, total, key, fingerprint = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5], ARGV[6]
local per_minute = tonumber(ARGV[8])
local now, staged = now_ms(), batch_key(id, 'staged')

local function verdict()
  local earlier = recall(owner, key, fingerprint)
  if earlier then return earlier end
  if ARGV[13] == 'known' then return {'unknown'} end
  if redis.call('LLEN', staged) ~= total then return {'lost'} end
  if tonumber(ARGV[11]) - now > tonumber(ARGV[12]) then return {'too_late'} end
  local allowed, left, next_ms = take_both('submits', owner, per_minute, ARGV[15], tonumber(ARGV[16]), now, total)
  if not allowed then return {'too_fast', left, next_ms} end
  local full = is_full(owner, total, tonumber(ARGV[9]), tonumber(ARGV[10]))
  if full then return {full, left, next_ms} end
  return {'accepted', id, now, total, left, next_ms}
end

local answer = verdict()
if answer[1] ~= 'accepted' then
  redis.call('UNLINK', staged)
  return answer
end
redis.call('HSET', batch_key(id), 'owner', owner, 'total', total, 'ttl', ARGV[4], 'status', 'processing', 'pending', total,
  'processing', 0, 'completed', 0, 'failed', 0, 'cancelled', 0, 'percent', 0, 'seq', 1, 'created', now, 'updated', now)
if ARGV[14] ~= '' then
  redis.call('HSET', batch_key(id), 'hooks', 1)
  webhooks().expect(id, owner, ARGV[14])
end
redis.call('PERSIST', staged)
redis.call('HINCRBY', COUNTS, 'staged', total)
redis.call('HINCRBY', COUNTS, 'staged:' .. owner, total)
redis.call('ZADD', CHORES, now, id)
remember(owner, key, fingerprint, ARGV[7], id, {now, total, answer[5], answer[6]})
return answer

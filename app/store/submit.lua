-- submit: an earlier job of the same idempotency key, else record, first event, queue entry and wake-up, all or none.
-- ARGV: id, record fields as a flat JSON array, params, delay ms, arq payload, idempotency key, fingerprint, its TTL ms,
-- start within ms of being due (0: whenever).
-- Returns {'accepted' | 'replayed' | 'conflict', id}, and for an accepted one the time and its position, or false;
-- an error, with nothing written, for times beyond reason.

local id, delay, start_within = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[9])
local fields = cjson.decode(ARGV[2])
local now = now_ms()

local job = {id = id, seq = 0, created = now}
for i = 1, #fields, 2 do job[fields[i]] = fields[i + 1] end
for _, span in ipairs({ARGV[4], tostring(job.ttl), ARGV[8], ARGV[9]}) do
  if not is_span(span) then return redis.error_reply('not a time in ms: ' .. span) end
end

-- With the owner's length, as both may hold any character: no two owners share a key.
local idempotency = ARGV[6] ~= '' and PREFIX .. 'idem:' .. #job.owner .. ':' .. job.owner .. ':' .. ARGV[6]
local earlier = idempotency and redis.call('HMGET', idempotency, 'id', 'fingerprint')
if earlier and earlier[1] then
  return {earlier[2] == ARGV[7] and 'replayed' or 'conflict', earlier[1]}
end
if idempotency then
  redis.call('HSET', idempotency, 'id', id, 'fingerprint', ARGV[7])
  redis.call('PEXPIRE', idempotency, ARGV[8])
end

append(job, now, 'pending', '{"reason":"submitted"}')
redis.call('HSET', job_key(id, 'job'), 'status', 'pending', 'seq', job.seq, 'attempt', 0, 'created', now,
  'updated', now, unpack(fields))
if delay > 0 then redis.call('HSET', job_key(id, 'job'), 'due', now + delay) end
if start_within > 0 then
  redis.call('HSET', job_key(id, 'job'), 'start_by', now + delay + start_within)
  redis.call('ZADD', DEADLINES, now + delay + start_within, id)
end
redis.call('SET', job_key(id, 'params'), ARGV[3])
redis.call('SET', 'arq:job:' .. id, ARGV[5])

redis.call('ZADD', OWNERS, 'NX', now, job.owner)
redis.call('ZADD', owner_key(job.owner), now, id)
redis.call('ZADD', active_key(job.owner), now, id)
redis.call('ZADD', queue_key(job.queue), now + delay, id)
nudge(job.queue)
return {'accepted', id, now, delay == 0 and redis.call('ZRANK', queue_key(job.queue), id)}

-- prune: expired jobs leave their owners' indexes, found by samples as Redis finds its own expired keys. Owners take
-- turns; one whose sample was stale by more than a quarter is sampled again.
-- ARGV: entries in a sample, most entries to look at. Returns {entries looked at, entries removed}

local sample, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = now_ms()
local examined, removed = 0, 0

-- Whether the owner's index is stale. A job whose record is gone though it was live had been given up.
local function prune(owner)
  local index = owner_key(owner)
  local gone, ids = {}, redis.call('ZRANDMEMBER', index, sample)
  for _, id in ipairs(ids) do
    if redis.call('EXISTS', job_key(id, 'job')) == 0 then gone[#gone + 1] = id end
  end
  if #gone > 0 then
    redis.call('ZREM', index, unpack(gone))
    for _ = 1, redis.call('ZREM', active_key(owner), unpack(gone)) do less_one(COUNTS, 'live') end
  end
  examined, removed = examined + math.max(1, #ids), removed + #gone
  return 4 * #gone > #ids
end

while examined < most do
  local owner = redis.call('ZRANGEBYSCORE', OWNERS, '-inf', '(' .. now, 'LIMIT', 0, 1)[1]
  if not owner then break end
  if not prune(owner) then redis.call('ZADD', OWNERS, now, owner) end
  if redis.call('EXISTS', owner_key(owner)) == 0 then redis.call('ZREM', OWNERS, owner) end
end
return {examined, removed}

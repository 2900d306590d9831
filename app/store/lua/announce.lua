-- announce: a worker is there.
-- ARGV: its name, what it says of itself as JSON, ms for which that holds, since when it is there as it was told the last
-- time ('' the first time). Returns since when.
--   workers       worker → until when it counts as there
--   workers:told  hash: worker → since when, when it was seen last, and what it says

local WORKERS = PREFIX .. 'workers'
local TOLD = WORKERS .. ':told'
local MOST_FORGOTTEN, KEPT_MS = 100, 86400000

local worker, holds, now = ARGV[1], tonumber(ARGV[3]), now_ms()
local since = tonumber(ARGV[4]) or now
redis.call('ZADD', WORKERS, now + holds, worker)
redis.call('HSET', TOLD, worker, since .. ' ' .. now .. ' ' .. ARGV[2])
local gone = redis.call('ZRANGEBYSCORE', WORKERS, '-inf', now, 'LIMIT', 0, MOST_FORGOTTEN)
if #gone > 0 then
  redis.call('ZREM', WORKERS, unpack(gone))
  redis.call('HDEL', TOLD, unpack(gone))
end
redis.call('PEXPIRE', WORKERS, KEPT_MS)
redis.call('PEXPIRE', TOLD, KEPT_MS)
return since

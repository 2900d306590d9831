-- Who was refused for asking too often, as operators see it: counted on a refusal alone, forgotten an hour after the last.
--   pollers          '<job | batch> <id> <owner>' → when it was refused last; those of long ago make room
--   pollers:refused  hash: the same → how often
local POLLERS = PREFIX .. 'pollers'
local REFUSED = POLLERS .. ':refused'
local MOST_POLLERS, REMEMBERED_MS, MOST_FORGOTTEN = 1000, 3600000, 100

local function note_refusal(what, id, owner, now)
  local who = what .. ' ' .. id .. ' ' .. owner
  redis.call('ZADD', POLLERS, now, who)
  redis.call('HINCRBY', REFUSED, who, 1)
  local gone = redis.call('ZRANGEBYSCORE', POLLERS, '-inf', now - REMEMBERED_MS, 'LIMIT', 0, MOST_FORGOTTEN)
  if #gone == 0 then gone = redis.call('ZRANGE', POLLERS, 0, -MOST_POLLERS - 1) end
  if #gone > 0 then
    redis.call('ZREM', POLLERS, unpack(gone))
    redis.call('HDEL', REFUSED, unpack(gone))
  end
  redis.call('PEXPIRE', POLLERS, REMEMBERED_MS)
  redis.call('PEXPIRE', REFUSED, REMEMBERED_MS)
end

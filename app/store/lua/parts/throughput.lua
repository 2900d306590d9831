-- How much goes through the queues, by the minute.
--   throughput:<minute>  hash: 'started:<queue>' → runs begun, 'ended:<queue>' → jobs ended
local MINUTE_MS = 60000

local function throughput_key(minute) return PREFIX .. 'throughput:' .. minute end

local function count_through(what, queue, now, n)
  local key = throughput_key(math.floor(now / MINUTE_MS))
  if redis.call('HINCRBY', key, what .. ':' .. queue, n) == n then redis.call('PEXPIRE', key, 2 * MINUTE_MS) end
end

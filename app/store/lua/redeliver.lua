-- redeliver: a delivery is attempted again at once, and its receiver is given a chance; or all are that have failed, the
-- oldest first. One that is under way or waits keeps its count of attempts.
-- ARGV: id, n; or '', owner, most. Returns how many, and whether there are more

local now = now_ms()

local function redeliver(id, n)
  local key = deliveries_key(id)
  local whom, delivery = redis.call('HMGET', key, 'host', 'owner'), load_delivery(id, n)
  if not delivery then return 0 end
  redis.call('ZREM', failed_key(whom[2]), entry_of(id, n))
  if delivery.token then return 1 end
  if not waits(delivery) then delivery.attempt, delivery.status = 0, 'pending' end
  redis.call('HDEL', key, 'gone')
  redis.call('HDEL', host_key(whom[1]), 'until')
  await_turn(id, n, delivery, whom[1], now, now)
  return 1
end

if ARGV[1] ~= '' then return {redeliver(ARGV[1], ARGV[2]), 0} end

local failed, redelivered = failed_key(ARGV[2]), 0
for _, entry in ipairs(redis.call('ZRANGE', failed, 0, ARGV[3] - 1)) do
  redelivered = redelivered + redeliver(parts_of(entry))
  redis.call('ZREM', failed, entry)
end
return {redelivered, redis.call('EXISTS', failed)}

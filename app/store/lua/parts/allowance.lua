-- What a client may ask in a time: a bucket of `most` that is filled again by one every `interval_ms`. It keeps count by
-- what is left, not by when, as an interval may change while it fills.

-- Takes `cost`, for which at least one has to be left; whether there was enough, what is left, ms until there is one more.
local function take(key, now, most, interval_ms, cost)
  local left, at = string.match(redis.call('GET', key) or '', '^(%S+) (%d+)$')
  left = left and math.min(most, left + math.max(0, now - at) / interval_ms) or most
  local enough = left >= 1
  if enough then
    left = math.min(most, left - cost)
    local refilled_ms = math.ceil((most - left) * interval_ms)
    if refilled_ms > 0 then
      redis.call('SET', key, string.format('%.6f %d', left, now), 'PX', refilled_ms)
    end
  end
  local next_ms = math.ceil((math.floor(left) + 1 - left) * interval_ms)
  return enough, math.floor(left), next_ms
end

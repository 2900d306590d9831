-- What a client may ask in a time: a bucket of `most` that is filled again by one every `interval_ms`. It keeps count by
-- what is left, not by when, as an interval may change while it fills.

-- Takes `cost`, for which that much has to be left, at least one; what costs more than there can be needs all of it, and is
-- owed. Whether there was enough, what is left, ms until there is one more, or enough.
local function take(key, now, most, interval_ms, cost)
  local left, at = string.match(redis.call('GET', key) or '', '^(%S+) (%d+)$')
  left = left and math.min(most, left + math.max(0, now - at) / interval_ms) or most
  local needed = math.min(math.max(1, cost), most)
  local enough = left >= needed
  if enough then
    left = math.min(most, left - cost)
    local refilled_ms = math.ceil((most - left) * interval_ms)
    if refilled_ms > 0 then
      redis.call('SET', key, string.format('%.6f %d', left, now), 'PX', refilled_ms)
    end
  end
  local next_left = enough and math.max(1, math.floor(left) + 1) or needed
  return enough, math.max(0, math.floor(left)), math.ceil((next_left - left) * interval_ms)
end

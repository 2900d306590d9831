-- What a client may ask in a time: a bucket of `most` that is filled again by one every `interval_ms`. The interval may
-- change while it fills; whoever was told when to come again finds it filled at least as fast as it was then.
--   <left> <when> <interval>

-- Takes `cost`, for which that much has to be left, at least one; what costs more than there can be needs all of it, and is
-- owed; what is negative is given back. Whether there was enough, what is left, ms until there is one more, or enough.
local function take(key, now, most, interval_ms, cost)
  local left, at, promised = string.match(redis.call('GET', key) or '', '^(%S+) (%d+) (%S+)$')
  left = left and math.min(most, left + math.max(0, now - at) / math.min(promised, interval_ms)) or most
  local needed = math.min(math.max(1, cost), most)
  local enough = cost < 0 or left > needed - 0.00001 -- as fractions are not exact
  if enough then left = math.min(most, left - cost) end
  local refilled_ms = math.ceil((most - left) * interval_ms)
  if refilled_ms > 0 then
    redis.call('SET', key, string.format('%.17g %d %.17g', left, now, interval_ms), 'PX', refilled_ms)
  else
    redis.call('DEL', key) -- given back, all of it
  end
  local next_left = enough and math.max(1, math.floor(left) + 1) or needed
  return enough, math.max(0, math.floor(left)), math.ceil((next_left - left) * interval_ms)
end

-- The same of what an owner may in a minute, and with the key that it is asked with, where that has a bound of its own (not
-- 0). The key's is told then, unless the owner's is what refuses.
local function take_both(what, owner, per_minute, key, per_minute_of_key, now, cost)
  local function of(name, most, cost) return take(PREFIX .. what .. ':' .. name, now, most, 60000 / most, cost) end
  if per_minute_of_key == 0 then return of(owner, per_minute, cost) end
  local allowed, left, next_ms = of('key:' .. key, per_minute_of_key, cost)
  if not allowed then return false, left, next_ms end
  local owner_allowed, owner_left, owner_next_ms = of(owner, per_minute, cost)
  if owner_allowed then return true, left, next_ms end
  of('key:' .. key, per_minute_of_key, -cost)
  return false, owner_left, owner_next_ms
end

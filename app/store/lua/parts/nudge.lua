-- A worker that has a free slot wakes for this; the bound is for when none has.
local function nudge(queue)
  local key = PREFIX .. 'nudge:' .. queue
  if redis.call('TYPE', key).ok ~= 'list' then redis.call('DEL', key) end
  redis.call('RPUSH', key, '1')
  redis.call('LTRIM', key, -64, -1)
  redis.call('PEXPIRE', key, 60000)
end

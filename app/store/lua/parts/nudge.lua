-- A worker that has a free slot wakes for this; the bound is for when none has.
local function nudge(queue)
  local key = PREFIX .. 'nudge:' .. queue
  local nudges = redis.pcall('RPUSH', key, '1')
  if type(nudges) == 'table' then -- something else lies there
    redis.call('DEL', key)
    nudges = redis.call('RPUSH', key, '1')
  end
  if nudges == 1 then redis.call('PEXPIRE', key, 60000) end
  if nudges > 64 then redis.call('LPOP', key) end
end

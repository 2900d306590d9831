-- Who waits is told when its place has changed enough to be worth telling: so its seq moves, and whoever watches or
-- asks learns of it. Only for jobs somebody looks at, at most every two seconds.
local QUIET_MS = 2000

local function is_news(place, eta, told_place, told_eta, since)
  if place ~= told_place and (place == 0 or place <= told_place * 0.8 or place >= told_place * 1.25) then return true end
  local expected = told_eta and told_eta - since
  return eta and (not expected or math.abs(eta - expected) > math.max(5000, expected / 4)) or false
end

-- The record's `told`: the seq of the last such event (0: it was in the answer to the submission), place, eta, and when.
local function told_text(seq, place, eta, now)
  return string.format('%d %d %s %d', seq, place, eta or '-', now)
end

-- `place` is nil for a job that is in no lane. Whether it was told.
local function tell_position(job, now, place, eta)
  if not place then return false end
  local seq, told_place, told_eta, at = string.match(job.told or '', '^(%d+) (%d+) (%S+) (%d+)$')
  if seq then
    local since = now - at
    if since < QUIET_MS or not is_news(place, eta, tonumber(told_place), tonumber(told_eta), since) then return false end
    redis.call('XDEL', job_key(job.id, 'events'), seq .. '-0')
  elseif now - job.updated < QUIET_MS then
    return false -- who submitted it knows
  end
  append(job, now, 'position',
    '{"position":' .. place .. (eta and string.format(',"eta_seconds":%.1f', eta / 1000) or '') .. '}')
  save(job, now, {told = told_text(job.seq, place, eta, now)})
  return true
end

-- What was told of its place is over.
local function forget_position(job)
  local seq = string.match(job.told or '', '^(%d+)')
  if seq then redis.call('XDEL', job_key(job.id, 'events'), seq .. '-0') end
end

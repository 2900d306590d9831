-- A job as readers are told of it, in one moment.
-- How often a client is asked to look: after 3 s, doubling with the job's age to 60 s, sooner when its end is near.
local FIRST_POLL_MS, LAST_POLL_MS = 3000, 60000

local function event(job, seq)
  local entry = seq and redis.call('XRANGE', job_key(job.id, 'events'), seq .. '-0', seq .. '-0')[1]
  return entry and entry[2] or {}
end

-- What the latest progress estimates, as `estimate` takes it.
local function told_of(progress)
  if not progress[6] then return nil end
  local parsed, data = pcall(cjson.decode, progress[6])
  local eta = parsed and type(data) == 'table' and tonumber(data.eta_seconds)
  return eta and {eta_seconds = eta, at = tonumber(progress[4])} or nil
end

local function poll_interval(job, now, eta)
  local interval, age = FIRST_POLL_MS, now - job.created
  if ended(job.status) then return interval end
  while interval * 2 <= age and interval < LAST_POLL_MS do interval = interval * 2 end
  return math.max(FIRST_POLL_MS, math.min(interval, LAST_POLL_MS, eta or LAST_POLL_MS))
end

-- Where a job stands in time: its position or nil, ms to its end twice or nil, ms until it should be looked at, and its
-- latest progress as an entry of the log.
local function outlook_of(job, now)
  local place = job.status == 'pending' and position(job) or nil
  local progress = event(job, job.progress)
  local eta, eta_p90 = estimate(job, now, place, told_of(progress))
  return {place = place, eta = eta, eta_p90 = eta_p90, interval = poll_interval(job, now, eta), progress = progress}
end

-- {record, result, last event, progress, artifacts, position, eta, its p90, poll interval, now, events}
local function view(job, now, outlook, with_result, after)
  return {
    redis.call('HGETALL', job_key(job.id, 'job')),
    ended(job.status) and with_result and redis.call('GET', job_key(job.id, 'result')) or false,
    ended(job.status) and event(job, job.seq)[6] or false,
    outlook.progress[6] or false,
    redis.call('HVALS', job_key(job.id, 'artifacts')),
    outlook.place or false,
    outlook.eta or false,
    outlook.eta_p90 or false,
    outlook.interval,
    now,
    after ~= '' and redis.call('XRANGE', job_key(job.id, 'events'), '(' .. after .. '-0', '+') or {},
  }
end

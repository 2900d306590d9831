-- What becomes of a live job whose deadline has passed. In front of claim and sweep: whoever looks settles for all.

-- Somebody looks at least every second and a half, as every process does. If nobody has for twice as long, nobody could:
-- Redis was away, stood still, or took no writes, and no worker could renew a lease. Those that ran out say nothing
-- then, until everybody has had the time to come back: a call's deadline and the longest pause after it, 5 s each.
local WATCH = PREFIX .. 'watch' -- seen: when somebody looked last; patience: until when nobody is taken for lost
local UNWATCHED_MS = 3000
local PATIENCE_MS = 11000

local function patient(now)
  local watch = redis.call('HMGET', WATCH, 'seen', 'patience')
  local seen, patience = tonumber(watch[1] or now), tonumber(watch[2] or 0)
  if now - seen > UNWATCHED_MS then patience = now + PATIENCE_MS end
  redis.call('HSET', WATCH, 'seen', now, 'patience', patience)
  return now < patience
end

local function fail(job, now, code, message)
  append(job, now, 'failed', '{"error":{"code":"' .. code .. '","message":"' .. message .. '"}}')
  finish(job, now, 'failed')
end

-- A run whose lease ended.
local function recover(job, now)
  if job.cancel then
    append(job, now, 'cancelled', '{"by":' .. cjson.encode(job.cancel_by) .. ',"stage":"worker_lost"}')
    finish(job, now, 'cancelled')
  elseif job.waiting then
    stop_looking(job, now, job.look or 0)
  elseif job.attempt >= job.max_attempts then
    fail(job, now, 'worker_lost', 'The worker was lost, and no attempt is left.')
  else
    append(job, now, 'pending', '{"reason":"worker_lost"}')
    enqueue(job, now, now, {})
  end
end

-- A wait of which a clock ran out. To look for its answer it goes into its lane, as it is.
local function move_on(job, now)
  if (job.wait_until or 0) <= now then
    fail(job, now, 'callback_timeout', 'No callback came before the deadline.')
  elseif job.beat_by and job.beat_by <= now then
    fail(job, now, 'callback_timeout', 'No heartbeat came in time.')
  else
    store(job, {look_at = false})
    redis.call('ZADD', DEADLINES, clock_of(job), job.id)
    wait_in_line(job, now, now)
  end
end

local function settle(job, now)
  if job.status == 'processing' and job.waiting and not job.token then
    move_on(job, now)
  elseif job.status == 'processing' then
    recover(job, now)
  elseif job.status == 'pending' and job.start_by then
    fail(job, now, 'expired', 'No worker was free to start the job in time.')
  else
    redis.call('ZREM', DEADLINES, job.id)
  end
end

-- A step of one job; whether it could be taken. What has no record, or cannot be told what it comes to, is given up: it
-- must not stop the others. It leaves the indexes, and in a day Redis. (A server that takes no writes is another matter:
-- there `patient` has raised before.)
local function safely(step, id, ...)
  local job = load_job(id)
  local taken, why = job ~= nil, 'it has no record'
  if job then taken, why = pcall(step, job, ...) end
  if taken then return true end
  redis.log(redis.LOG_WARNING, 'tidings: gave up job ' .. id .. ': ' .. (type(why) == 'table' and why.err or why))
  redis.call('ZREM', DEADLINES, id)
  leave(id, now_ms())
  write_off(id, now_ms())
  for _, part in ipairs({'job', 'events', 'artifacts', 'params', 'result', 'deliveries', 'answers'}) do
    redis.call('PEXPIRE', job_key(id, part), TOMBSTONE_MS)
  end
  return false
end

-- Up to so many, longest overdue first. Returns how many.
local function settle_overdue(now, most)
  if patient(now) then return 0 end
  local overdue = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(overdue) do safely(settle, id, now) end
  return #overdue
end

-- What becomes of a live job whose deadline has passed. In front of claim and sweep: whoever looks settles for all.

local function fail(job, now, code, message)
  append(job, now, 'failed', '{"error":{"code":"' .. code .. '","message":"' .. message .. '"}}')
  finish(job, now, 'failed')
end

-- A run whose lease ended.
local function recover(job, now)
  if job.cancel then
    append(job, now, 'cancelled', '{"by":' .. cjson.encode(job.cancel_by) .. ',"stage":"worker_lost"}')
    finish(job, now, 'cancelled')
  elseif job.attempt >= job.max_attempts then
    fail(job, now, 'worker_lost', 'The worker was lost, and no attempt is left.')
  else
    append(job, now, 'pending', '{"reason":"worker_lost"}')
    enqueue(job, now, now, {})
  end
end

local function settle(job, now)
  if job.status == 'processing' and job.waiting then
    fail(job, now, 'callback_timeout', 'No callback came before the deadline.')
  elseif job.status == 'processing' then
    recover(job, now)
  elseif job.status == 'pending' and job.start_by then
    fail(job, now, 'expired', 'No worker was free to start the job in time.')
  else
    redis.call('ZREM', DEADLINES, job.id)
  end
end

-- Up to so many, longest overdue first. Returns how many.
local function settle_overdue(now, most)
  local overdue = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(overdue) do
    local job = load_job(id)
    if job then settle(job, now) else redis.call('ZREM', DEADLINES, id) end
  end
  return #overdue
end

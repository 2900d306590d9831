-- The two moves every job makes: into its queue, and to its end. And how one is asked to end.
local EXPIRING = PREFIX .. 'expiring'

-- Pending from now on: after its event is written, in its queue, and awaited by nobody.
local function enqueue(job, now, due, changes)
  changes.status, changes.due = 'pending', due > now and due or false
  changes.token, changes.worker, changes.part, changes.waiting = false, false, false, false
  changes.begun, changes.suspended = false, changes.suspended or false
  save(job, now, changes)
  leave(job.id, now)
  redis.call('ZREM', DEADLINES, job.id)
  if job.look then withdraw(job) end -- its lane, where it waited for a look
  wait_in_line(job, now, due)
end

-- The end: queue entry, slot and deadline released, active no more, and from here on every key of the job has a TTL.
local function finish(job, now, status)
  local expires = now + job.ttl
  count_through('ended', job.queue, now, 1)
  if status == 'completed' and job.begun then note_pace(job.kind, now - job.begun) end
  forget_position(job)
  withdraw(job)
  leave(job.id, now)
  redis.call('ZREM', DEADLINES, job.id)
  redis.call('DEL', 'arq:job:' .. job.id, 'arq:retry:' .. job.id)
  if redis.call('ZREM', active_key(job.owner), job.id) == 1 then less_one(COUNTS, 'live') end
  save(job, now, {
    status = status, finished = now, expires = expires, token = false, worker = false, part = false,
    due = false, waiting = false, start_by = false, begun = false, suspended = false, told = false,
    wait_until = false, beat = false, beat_by = false, look = false, look_at = false,
  })
  for _, part in ipairs({'job', 'events', 'artifacts'}) do
    redis.call('PEXPIREAT', job_key(job.id, part), expires + TOMBSTONE_MS)
  end
  if job.hooks then webhooks().expire(job.id, expires + TOMBSTONE_MS) end
  for _, part in ipairs({'params', 'result', 'answers'}) do redis.call('PEXPIREAT', job_key(job.id, part), expires) end
  if redis.call('EXISTS', job_key(job.id, 'artifacts')) == 1 then redis.call('ZADD', EXPIRING, expires, job.id) end
end

-- What asking for the end comes to: its worker is told, and what no worker holds has ended. Repeats change nothing.
local function request_cancel(job, now, data)
  if ended(job.status) or job.cancel then return end
  local by = cjson.decode(data).by
  if job.status == 'processing' and job.token then
    append(job, now, 'cancel_requested', data)
    redis.call('PUBLISH', PREFIX .. 'worker:' .. job.worker, job.id)
    save(job, now, {cancel = now, cancel_by = by})
  else
    local stage = job.waiting and 'waiting' or 'pending'
    append(job, now, 'cancelled', '{"by":' .. cjson.encode(by) .. ',"stage":"' .. stage .. '"}')
    finish(job, now, 'cancelled')
  end
end

-- Out of its queue for a while; the time brings it back.
local function suspend(job, now, by, span)
  withdraw(job)
  append(job, now, 'suspended', '{"by":' .. cjson.encode(by) .. ',"until":"' .. rfc3339(now + span) .. '"}')
  forget_position(job)
  save(job, now, {suspended = now, told = false})
  redis.call('ZADD', later_key(job.queue), now + span, job.id)
end

-- Back in line, or until it is due where that is yet to come.
local function resume(job, now, by)
  withdraw(job)
  append(job, now, 'resumed', '{"by":' .. cjson.encode(by) .. '}')
  save(job, now, {suspended = false})
  wait_in_line(job, now, job.due and job.due > now and job.due or now)
end

-- How a job comes into being: one of its own, or one of a batch.

-- Why an owner may have no `more` jobs, if so: too many of its own, or of all, have not ended. Those of a batch that are
-- still to be made count.
local function is_full(owner, more, most_of_owner, most_of_all)
  if redis.call('ZCARD', active_key(owner)) + count('staged:' .. owner) + more > most_of_owner then return 'queue_full' end
  if count('live') + count('staged') + more > most_of_all then return 'store_full' end
  return nil
end

-- From now on it counts among those that have not ended, and its owner's.
local function enlist(job, now, payload)
  redis.call('SET', 'arq:job:' .. job.id, payload)
  redis.call('ZADD', OWNERS, 'NX', now, job.owner)
  redis.call('ZADD', owner_key(job.owner), job.created, job.id)
  redis.call('ZADD', active_key(job.owner), job.created, job.id)
  redis.call('HINCRBY', COUNTS, 'live', 1)
end

-- Record, first event, queue entry and wake-up. `fields` is the record's part that the submission decides, `hook` whom the
-- job is to tell. Its position, its eta and the eta's p90; nil where it is not due yet, or where nothing is known.
local function accept(job, now, delay, start_within, fields, params, payload, hook)
  job.seq, job.created, job.updated, job.attempt, job.status = 0, now, now, 0, 'pending'
  append(job, now, 'pending', '{"reason":"submitted"}')
  if delay > 0 then job.due = now + delay end
  if start_within > 0 then job.start_by = now + delay + start_within end
  enlist(job, now, payload)
  local place = wait_in_line(job, now, job.due or now)
  local eta, eta_p90 = estimate(job, now, place)
  redis.call('HSET', job_key(job.id, 'job'), 'status', 'pending', 'seq', job.seq, 'attempt', 0, 'created', now,
    'updated', now, unpack(fields))
  store(job, {due = job.due, start_by = job.start_by, told = place and told_text(0, place, eta, now)})
  redis.call('SET', job_key(job.id, 'params'), params)
  if job.start_by then redis.call('ZADD', DEADLINES, job.start_by, job.id) end
  if job.hooks then webhooks().expect(job.id, job.owner, hook) end
  if job.untold then webhooks().tell(job, now) end
  return place, eta, eta_p90
end

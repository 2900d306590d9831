-- The record after its events were appended, and what that comes to for the batch of the job. A batch counts its jobs by
-- status and sums up how far they are, so that to tell of ten thousand costs no more than to tell of one.
--   batch:{id}         hash: owner, total, ttl, status, a count for each status of its jobs, the sum of their percents, …
--   batch:{id}:staged  list: what its jobs are still to be made from; they count as pending
--   batch:{id}:jobs    job → its number, from 1
local CHORES = PREFIX .. 'chores' -- batches in which something is to be done, by when somebody last did
local batch_over -- the batch that has just completed and is to tell so, when its change has a number
local WHOLE = 10000 -- a job that is over, in hundredths of a percent

local function batch_key(id, part) return PREFIX .. 'batch:{' .. id .. '}' .. (part and ':' .. part or '') end
local function batch_channel(id) return PREFIX .. 'batch:' .. id end

-- A change has a number, and its watchers are to look.
local function note_change(id, now)
  redis.call('HSET', batch_key(id), 'updated', now)
  local seq = redis.call('HINCRBY', batch_key(id), 'seq', 1)
  redis.call('PUBLISH', batch_channel(id), seq)
  if batch_over == id then
    batch_over = nil
    local event = {type = 'batch.completed', seq = seq, at = now}
    webhooks().queue(id, event, now, cjson.encode(redis.call('HGETALL', batch_key(id))))
  end
end

-- A batch has completed when none of its jobs is live, nor to be run again; from then on its keys have a TTL. It may come
-- to life again.
local function weigh(id, now)
  local key = batch_key(id)
  local batch = redis.call('HMGET', key, 'pending', 'processing', 'retry_from', 'status', 'ttl', 'hooks')
  local over = batch[1] + batch[2] == 0 and not batch[3]
  if over and batch[4] ~= 'completed' then
    local expires = now + batch[5]
    redis.call('HSET', key, 'status', 'completed', 'finished', now, 'expires', expires)
    redis.call('PEXPIREAT', key, expires + TOMBSTONE_MS)
    redis.call('PEXPIREAT', batch_key(id, 'jobs'), expires + TOMBSTONE_MS)
    if batch[6] then
      webhooks().expire(id, expires + TOMBSTONE_MS)
      batch_over = id
    end
  elseif not over and batch[4] == 'completed' then
    redis.call('HSET', key, 'status', 'processing')
    redis.call('HDEL', key, 'finished', 'expires')
    redis.call('PERSIST', key)
    redis.call('PERSIST', batch_key(id, 'jobs'))
    if batch[6] then redis.call('PERSIST', job_key(id, 'deliveries')) end
  end
end

-- What a job's next status, or how far it is, changes in its batch.
local function tally(job, now, changes)
  local key, status = batch_key(job.batch), changes.status or job.status
  local before, percent = job.percent or 0, changes.percent or job.percent or 0
  if ended(status) then percent = WHOLE elseif status == 'pending' then percent = 0 end
  if (status == job.status and percent == before) or redis.call('EXISTS', key) == 0 then return end
  changes.percent = percent
  redis.call('HINCRBY', key, 'percent', percent - before)
  if status ~= job.status then
    redis.call('HINCRBY', key, job.status, -1)
    redis.call('HINCRBY', key, status, 1)
    weigh(job.batch, now)
  end
  note_change(job.batch, now)
end

-- A job that cannot be told what it comes to: for its batch it has failed, as far as anything is known of it.
local function write_off(id, now)
  local known = redis.pcall('HMGET', job_key(id, 'job'), 'batch', 'status', 'percent')
  local live = SUCCESSORS[known[2]] and not ended(known[2])
  if known[1] and live then tally({batch = known[1], status = known[2], percent = known[3]}, now, {status = 'failed'}) end
end

-- How far a progress says that a job is; nil where it does not.
local function hundredths(data)
  local percent = tonumber(string.match(data, '^{"percent":([%d.]+)[,}]'))
  return percent and math.floor(math.min(percent, 100) * 100 + 0.5)
end

local function save(job, now, changes)
  changes.seq, changes.updated = job.seq, now
  changes.progress = job.progress or false
  if job.batch then tally(job, now, changes) end
  store(job, changes)
  if job.untold then webhooks().tell(job, now) end
end

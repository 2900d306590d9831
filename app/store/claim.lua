-- claim: jobs that are due, up to the free slots, become runs of this worker, each with a fresh token and a lease.
-- The queue's score is the one clock of a job that has not ended: when it is due, when its lease ends, when its wait
-- ends. So what is due and not pending has lost its worker or waited too long.
-- ARGV: worker, free slots, lease ms, kinds it knows as a JSON object, then the queues in the order to look.
-- Returns {ms until something is due, or -1; then one array per run}

local MOST_EXAMINED = 64
local MOST_PASSED = 48 -- jobs for other workers keep their place, but may not hide all that lies behind them
local UNKNOWN_KIND_DELAY_MS = 1000

local worker, slots, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local kinds = cjson.decode(ARGV[4])
local now = now_ms()

local function fail(job, error)
  append(job, now, 'failed', '{"error":' .. error .. '}')
  finish(job, now, 'failed')
end

-- What became of a run whose lease ended: true when it is pending again.
local function recover(job)
  if job.cancel then
    append(job, now, 'cancelled', '{"by":' .. cjson.encode(job.cancel_by) .. ',"stage":"worker_lost"}')
    finish(job, now, 'cancelled')
  elseif job.attempt >= job.max_attempts then
    fail(job, '{"code":"worker_lost","message":"The worker was lost, and no attempt is left."}')
  else
    append(job, now, 'pending', '{"reason":"worker_lost"}')
    return true
  end
end

-- Whether a due job may run now.
local function ready(job)
  if job.status == 'pending' then return true end
  if not job.waiting then return recover(job) end
  fail(job, '{"code":"callback_timeout","message":"No callback came before the deadline."}')
end

local function start(job)
  job.attempt = job.attempt + 1
  local token = job.id .. '.' .. (job.seq + 1) -- no seq comes twice, so no token does
  append(job, now, 'processing', '{"attempt":' .. job.attempt .. ',"worker":"' .. worker .. '"}')
  save(job, now, {
    status = 'processing', attempt = job.attempt, token = token, worker = worker, due = false,
    started = job.started or now,
  })
  redis.call('ZADD', queue_key(job.queue), now + lease, job.id)
  return {job.id, token, job.kind, job.owner, job.attempt, job.max_attempts, job.timeout,
    redis.call('GET', job_key(job.id, 'params')) or ''}
end

local runs, examined = {}, 0
for q = 5, #ARGV do
  local queue, passed = queue_key(ARGV[q]), 0
  while #runs < slots and examined < MOST_EXAMINED do
    local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', passed, slots - #runs)
    if #due == 0 then break end
    for _, id in ipairs(due) do
      examined = examined + 1
      local job = load_job(id)
      if not job then
        redis.call('ZREM', queue, id)
      elseif not kinds[job.kind] and redis.call('HEXISTS', KINDS, job.kind) == 1 then
        if passed < MOST_PASSED then passed = passed + 1 else redis.call('ZADD', queue, now + UNKNOWN_KIND_DELAY_MS, id) end
      elseif ready(job) then
        if kinds[job.kind] then
          runs[#runs + 1] = start(job)
        else
          fail(job, '{"code":"unknown_kind","message":"No worker knows this kind."}')
        end
      end
    end
  end
end

-- What was passed is not waited for.
local from = #runs < slots and examined < MOST_EXAMINED and '(' .. now or '-inf'
local wait = -1
for q = 5, #ARGV do
  local first = redis.call('ZRANGEBYSCORE', queue_key(ARGV[q]), from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if first[2] then
    local left = math.max(0, tonumber(first[2]) - now)
    if wait < 0 or left < wait then wait = left end
  end
end
return {wait, unpack(runs)}

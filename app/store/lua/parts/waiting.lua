-- How a job waits for an outside system, and what comes from there. Its waits are numbered by how many were answered
-- before. Each has a clock in all (`wait_until`), perhaps one that heartbeats renew (`beat`, `beat_by`), and perhaps
-- moments at which a worker looks for the answer (`look`, `look_at`). A look is a run that leaves no trace: the job stays
-- processing and waiting, in a lane and then with a run token, and goes back to its wait.
--   {id}:answers  hash: <n> → fingerprint of the nth wait's answer; <n>:how, <n>:body, <n>:headers → the answer itself
local MOST_ANSWERS = 16 -- whose repeats are known

local function answers_key(job) return job_key(job.id, 'answers') end

-- The answer to the present wait, or to the one to come.
local function keep_answer(job, fingerprint, how, body, headers)
  local n = job.answers or 0
  redis.call('HSET', answers_key(job), n, fingerprint, n .. ':how', how, n .. ':body', body, n .. ':headers', headers)
  redis.call('HDEL', answers_key(job), n - MOST_ANSWERS)
  store(job, {early = '1'})
end

-- All but its fingerprint.
local function drop_answer(job, n)
  redis.call('HDEL', answers_key(job), n .. ':how', n .. ':body', n .. ':headers')
end

-- Answered: the handler runs again, in the same attempt.
local function go_on(job, now)
  local n = job.answers or 0
  drop_answer(job, n - 2) -- the one before would count again, were this one refused
  append(job, now, 'pending', '{"reason":"callback"}')
  enqueue(job, now, now, {attempt = job.attempt - 1, answers = n + 1, early = false})
end

-- When the next of its clocks runs out.
local function clock_of(job)
  return math.min(job.wait_until or 0, job.beat_by or math.huge, job.look_at or math.huge)
end

-- Without a slot, until it is answered, if it is not already, or a clock runs out.
local function wait_on(job, now)
  if job.early then return go_on(job, now) end
  leave(job.id, now)
  redis.call('ZADD', DEADLINES, clock_of(job), job.id)
end

-- A look is over; the next one comes after so long.
local function stop_looking(job, now, after)
  store(job, {token = false, worker = false, part = false, look_at = now + after})
  wait_on(job, now)
end

-- claim: jobs that are due, up to the free slots, become runs of this worker, each with a fresh token and a lease.
-- What is overdue in any queue is settled first, so that a lost worker's jobs are found by those that are left.
-- ARGV: worker, free slots, lease ms, number of the call, kinds it knows as a JSON object, then the queues in the
-- order to look.
-- A call whose answer got lost is made again under its number, and brings the same runs.
-- Returns {ms until something is due, or -1; then one array per run}

local MOST_EXAMINED = 64
local MOST_PASSED = 48 -- jobs for other workers keep their place, but may not hide all that lies behind them
local UNKNOWN_KIND_DELAY_MS = 1000
local MOST_SETTLED = 64

local worker, slots, lease, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local kinds = cjson.decode(ARGV[5])
local now = now_ms()

local function run_of(job)
  local params = redis.pcall('GET', job_key(job.id, 'params'))
  return {job.id, job.token, job.kind, job.owner, job.attempt, job.max_attempts, job.timeout,
    type(params) == 'string' and params or ''}
end

-- The runs of the same call, made before; those that have been lost since are left out.
local answered = PREFIX .. 'claimed:' .. worker
if redis.call('HGET', answered, 'number') == number then
  local earlier, runs = redis.call('HGETALL', answered), {}
  for i = 1, #earlier, 2 do
    local job = load_job(earlier[i])
    if job and job.token == earlier[i + 1] then
      redis.call('ZADD', DEADLINES, now + lease, job.id)
      runs[#runs + 1] = run_of(job)
    end
  end
  return {0, unpack(runs)}
end

local function start(job)
  job.attempt = job.attempt + 1
  -- No seq comes twice, unless Redis lost it again; then another worker's name tells the tokens apart.
  local token = job.id .. '.' .. string.match(worker, '[^-]*$') .. '.' .. (job.seq + 1)
  append(job, now, 'processing', '{"attempt":' .. job.attempt .. ',"worker":"' .. worker .. '"}')
  save(job, now, {
    status = 'processing', attempt = job.attempt, token = token, worker = worker, due = false, start_by = false,
    started = job.started or now,
  })
  redis.call('ZREM', queue_key(job.queue), job.id)
  redis.call('ZADD', DEADLINES, now + lease, job.id)
  return run_of(job)
end

local settled = settle_overdue(now, MOST_SETTLED)

local runs, examined, passed = {}, 0, 0

local function look_at(job, queue)
  if job.status ~= 'pending' then
    if not ended(job.status) then redis.call('ZADD', DEADLINES, 'NX', now + lease, job.id) end
    redis.call('ZREM', queue, job.id)
  elseif job.start_by and job.start_by <= now then
    settle(job, now)
  elseif kinds[job.kind] then
    runs[#runs + 1] = start(job)
  elseif redis.call('HEXISTS', KINDS, job.kind) == 0 then
    fail(job, now, 'unknown_kind', 'No worker knows this kind.')
  elseif passed < MOST_PASSED then
    passed = passed + 1
  else
    redis.call('ZADD', queue, now + UNKNOWN_KIND_DELAY_MS, job.id)
  end
end

for q = 6, #ARGV do
  local queue = queue_key(ARGV[q])
  passed = 0
  while #runs < slots and examined < MOST_EXAMINED do
    local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', passed, slots - #runs)
    if #due == 0 then break end
    for _, id in ipairs(due) do
      examined = examined + 1
      if not attempt(look_at, id, queue) then redis.call('ZREM', queue, id) end
    end
  end
end

local wait = settled == MOST_SETTLED and 0 or -1
local function await(key, from)
  local first = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return end
  local left = math.max(0, tonumber(first[2]) - now)
  if wait < 0 or left < wait then wait = left end
end

await(DEADLINES, '(' .. now) -- what is overdue and was not settled waits for somebody's patience
-- What was passed is not waited for.
local from = #runs < slots and examined < MOST_EXAMINED and '(' .. now or '-inf'
for q = 6, #ARGV do await(queue_key(ARGV[q]), from) end

if #runs > 0 then
  redis.call('DEL', answered)
  redis.call('HSET', answered, 'number', number)
  for _, run in ipairs(runs) do redis.call('HSET', answered, run[1], run[2]) end
  redis.call('PEXPIRE', answered, lease)
end
return {wait, unpack(runs)}

-- claim: jobs that are due, up to the free slots, become runs of this worker, each with a fresh token and a lease.
-- What is overdue in any queue is settled first, so that a lost worker's jobs are found by those that are left.
-- ARGV: worker, free slots, lease ms, most jobs to settle, kinds it knows as a JSON object, then the queues in the
-- order to look.
-- Returns {ms until something is due, or -1; then one array per run}

local MOST_EXAMINED = 64
local MOST_PASSED = 48 -- jobs for other workers keep their place, but may not hide all that lies behind them
local UNKNOWN_KIND_DELAY_MS = 1000

local worker, slots, lease, most_settled = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kinds = cjson.decode(ARGV[5])
local now = now_ms()

local function start(job)
  job.attempt = job.attempt + 1
  local token = job.id .. '.' .. (job.seq + 1) -- no seq comes twice, so no token does
  append(job, now, 'processing', '{"attempt":' .. job.attempt .. ',"worker":"' .. worker .. '"}')
  save(job, now, {
    status = 'processing', attempt = job.attempt, token = token, worker = worker, due = false, start_by = false,
    started = job.started or now,
  })
  redis.call('ZREM', queue_key(job.queue), job.id)
  redis.call('ZADD', DEADLINES, now + lease, job.id)
  return {job.id, token, job.kind, job.owner, job.attempt, job.max_attempts, job.timeout,
    redis.call('GET', job_key(job.id, 'params')) or ''}
end

settle_overdue(now, most_settled)

local runs, examined = {}, 0
for q = 6, #ARGV do
  local queue, passed = queue_key(ARGV[q]), 0
  while #runs < slots and examined < MOST_EXAMINED do
    local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', passed, slots - #runs)
    if #due == 0 then break end
    for _, id in ipairs(due) do
      examined = examined + 1
      local job = load_job(id)
      if not job or job.status ~= 'pending' then
        redis.call('ZREM', queue, id)
      elseif job.start_by and job.start_by <= now then
        settle(job, now)
      elseif kinds[job.kind] then
        runs[#runs + 1] = start(job)
      elseif redis.call('HEXISTS', KINDS, job.kind) == 0 then
        fail(job, now, 'unknown_kind', 'No worker knows this kind.')
      elseif passed < MOST_PASSED then
        passed = passed + 1
      else
        redis.call('ZADD', queue, now + UNKNOWN_KIND_DELAY_MS, id)
      end
    end
  end
end

local wait = -1
local function await(key, from)
  local first = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return end
  local left = math.max(0, tonumber(first[2]) - now)
  if wait < 0 or left < wait then wait = left end
end

if most_settled > 0 then await(DEADLINES, '-inf') end
-- What was passed is not waited for.
local from = #runs < slots and examined < MOST_EXAMINED and '(' .. now or '-inf'
for q = 6, #ARGV do await(queue_key(ARGV[q]), from) end
return {wait, unpack(runs)}

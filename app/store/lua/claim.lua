-- claim: jobs that are due, up to the free slots, become runs of this worker, each with a fresh token and a lease.
-- What is overdue in any queue is settled first, so that a lost worker's jobs are found by those that are left.
-- ARGV: worker, free slots, lease ms, number of the call, and as JSON {kinds: kind it knows → most runs at once or 0,
-- weights: owner → share, most_running: of an owner in a queue or 0, starts_per_minute: of an owner in a queue or 0},
-- then the queues in the order to look.
-- A call whose answer got lost is made again under its number, and brings the same runs.
-- Returns {ms until something is due, or -1; then one array per run}

local MOST_EXAMINED = 64
local MOST_SETTLED = 64
local BURST_MS = 10000 -- an owner's starts may come as those of ten seconds at once

local worker, slots, lease, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local terms = cjson.decode(ARGV[5])
local now = now_ms()

local function run_of(job)
  local params = redis.pcall('GET', job_key(job.id, 'params'))
  local n, answer = job.answers or 0, {}
  if n > 0 then
    local latest = n - 1 .. ':'
    answer = redis.call('HMGET', answers_key(job), latest .. 'how', latest .. 'body', latest .. 'headers')
  end
  return {job.id, job.token, job.kind, job.owner, job.attempt, job.max_attempts, job.timeout,
    type(params) == 'string' and params or '', n, job.waiting and 1 or 0, unpack(answer)}
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

local runs, starts, examined = {}, {}, 0 -- and of each queue how many were begun
local settled = settle_overdue(now, MOST_SETTLED)
local paused = {}
for _, name in ipairs(redis.call('SMEMBERS', PAUSED)) do paused[name] = true end

-- Until when no job of the owner may start, or nil. Its end is not known where it is for running too many.
local function barred(queue, owner)
  local whose = queue .. ':' .. owner
  if terms.most_running > 0 and count('owner:' .. whose) >= terms.most_running then return '+inf' end
  if terms.starts_per_minute == 0 then return nil end
  local booked = tonumber(redis.call('GET', PREFIX .. 'starts:' .. whose) or 0)
  return booked - now > BURST_MS and booked - BURST_MS or nil
end

-- Books a start of the owner, and leaves it out where it may start no more.
local function note_start(queue, owner)
  if terms.starts_per_minute > 0 then
    local key = PREFIX .. 'starts:' .. queue .. ':' .. owner
    local booked = math.max(now, tonumber(redis.call('GET', key) or 0)) + 60000 / terms.starts_per_minute
    redis.call('SET', key, booked, 'PX', math.ceil(booked - now))
  end
  local till = barred(queue, owner)
  if till then park(queue, owner, till) end
end

-- No seq comes twice, unless Redis lost it again; then another worker's name tells the tokens apart.
local function new_token(job, mark)
  return job.id .. '.' .. string.match(worker, '[^-]*$') .. mark .. '.' .. (job.seq + 1)
end

-- The job is this worker's, for a lease.
local function hand_out(job)
  pass_turn(job.queue, job.owner, 1 / (terms.weights[job.owner] or 1))
  withdraw(job)
  enter(job)
  note_start(job.queue, job.owner)
  redis.call('ZADD', DEADLINES, now + lease, job.id)
  return run_of(job)
end

-- To look for the answer of a wait.
local function start_look(job)
  store(job, {token = new_token(job, '-' .. now), worker = worker}) -- no event, so the seq may come again
  return hand_out(job)
end

local function start(job)
  job.attempt = job.attempt + 1
  local token = new_token(job, '')
  forget_position(job)
  append(job, now, 'processing', '{"attempt":' .. job.attempt .. ',"worker":"' .. worker .. '"}')
  save(job, now, {
    status = 'processing', attempt = job.attempt, token = token, worker = worker, due = false, start_by = false,
    started = job.started or now, begun = now, told = false,
  })
  starts[job.queue] = (starts[job.queue] or 0) + 1
  return hand_out(job)
end

-- A job in a queue that does not wait there: one that is live is awaited at least.
local function set_right(job)
  if not ended(job.status) then redis.call('ZADD', DEADLINES, 'NX', now + lease, job.id) end
  withdraw(job)
end

local function look_at(job)
  if job.waiting and not job.token and job.look and not job.look_at then
    if terms.kinds[job.kind] then runs[#runs + 1] = start_look(job) else stop_looking(job, now, job.look) end
  elseif job.status ~= 'pending' then
    set_right(job)
  elseif job.start_by and job.start_by <= now then
    settle(job, now)
  elseif terms.kinds[job.kind] then
    runs[#runs + 1] = start(job)
  else
    fail(job, now, 'unknown_kind', 'No worker knows this kind.')
  end
end

-- What has become due goes into its lane; owners that were left out come back.
local function mature(job, now)
  redis.call('ZREM', later_key(job.queue), job.id)
  if job.status ~= 'pending' then return set_right(job) end
  if job.suspended then resume(job, now, 'time') else push(job, job.due or now) end
end

local function bring_in(queue)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', later_key(queue), '-inf', now, 'LIMIT', 0, MOST_EXAMINED)) do
    if not safely(mature, id, now) then redis.call('ZREM', later_key(queue), id) end
  end
  for _, owner in ipairs(redis.call('ZRANGEBYSCORE', parked_key(queue), '-inf', now, 'LIMIT', 0, MOST_EXAMINED)) do
    local till = barred(queue, owner)
    if till then redis.call('ZADD', parked_key(queue), till, owner) else unpark(queue, owner) end
  end
end

-- Whether this worker may start jobs of the kind now, or may at least tell them that nobody will.
local function is_open(kind)
  local most = terms.kinds[kind]
  if paused['kind:' .. kind] then return false end
  if not most then return redis.call('HEXISTS', KINDS, kind) == 0 end
  return most == 0 or count('kind:' .. kind) < most
end

local function comes_first(one, other)
  for _, by in ipairs({1, 4, 2, 5}) do -- turn, owner, rank, id
    if one[by] ~= other[by] then return one[by] < other[by] end
  end
end

-- Of the kinds open to this worker: whose turn comes first, and of one owner's jobs the most urgent.
local function next_of(queue)
  local best
  for _, kind in ipairs(redis.call('HKEYS', queue_key(queue))) do
    local first = is_open(kind) and head(queue, kind)
    if first and (not best or comes_first(first, best)) then best = first end
  end
  return best
end

local more = false -- whether something that is due was left for want of a slot
for q = 6, #ARGV do
  local queue = ARGV[q]
  if not paused['queue:' .. queue] then
    bring_in(queue)
    local first = next_of(queue)
    while first and #runs < slots and examined < MOST_EXAMINED do
      examined = examined + 1
      safely(look_at, first[5])
      pull(queue, first[3], first[4], first[5]) -- also where it was no job, or one of another lane
      first = next_of(queue)
    end
    more = more or first ~= nil
  end
end

local wait = (more or settled == MOST_SETTLED) and 0 or -1
local function await(key, from)
  local first = redis.call('ZRANGEBYSCORE', key, from, '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return end
  local left = math.max(0, math.ceil(tonumber(first[2]) - now))
  if wait < 0 or left < wait then wait = left end
end

await(DEADLINES, '(' .. now) -- what is overdue and was not settled waits for somebody's patience
for q = 6, #ARGV do
  if not paused['queue:' .. ARGV[q]] then
    await(later_key(ARGV[q]), '-inf')
    await(parked_key(ARGV[q]), '-inf')
  end
end

for queue, n in pairs(starts) do count_through('started', queue, now, n) end
if #runs > 0 then
  redis.call('DEL', answered)
  redis.call('HSET', answered, 'number', number)
  for _, run in ipairs(runs) do redis.call('HSET', answered, run[1], run[2]) end
  redis.call('PEXPIRE', answered, lease)
end
return {wait, unpack(runs)}

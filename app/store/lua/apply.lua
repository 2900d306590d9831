-- apply: events of one job, all of them or none. A change of status comes last; it is legal by SUCCESSORS alone. A
-- request to cancel comes alone, as it may turn into the end.
-- ARGV: id, run token ('' for who holds no run), most events to keep, which part of what the run tells this is (0: it
-- is not told in parts), then per event: type, data, argument. A part that was written before is not written again.
-- The argument: completed → result JSON or ''; pending → delay in ms, 'interrupted', or 'surrendered' by
-- who cannot say that the work has stopped, which is illegal once a cancel was asked for; waiting → ms until its deadline,
-- and perhaps between heartbeats and between looks (0: none), or 'refused' by who was resumed by what is no answer;
-- artifact → its entry as JSON; log → 'verified' where it says so of the answer; else ''. '"@"' in the data of pending and
-- waiting becomes the time that delay leads to; a worker's `cancelled` gets its data here.
-- A look ends with pending or waiting, with 'answered <JSON>' where it found an answer; no event is made of that.
-- Returns {'ok' | 'unknown' | 'stale' | 'illegal', seq, status}

local id, token, part = ARGV[1], ARGV[2], tonumber(ARGV[4])
local now = now_ms()
local job = load_job(id)
if not job then return {'unknown', 0, ''} end

local running = job.status == 'processing' and job.token ~= nil
local by_worker = running and job.token == token
if by_worker and part > 0 and part <= (job.part or 0) then return {'ok', job.seq, job.status} end

local looks = by_worker and job.waiting

-- Whole ms until the deadline, between heartbeats and between looks; nil where a text does not say so.
local function spans_of(text)
  local deadline, beat, look = string.match(text, '^(%d+) ?(%d*) ?(%d*)$')
  if not deadline or not (is_span(deadline) and is_span(beat .. '0') and is_span(look .. '0')) then return nil end
  return tonumber(deadline), tonumber(beat) or 0, tonumber(look) or 0
end

local function has_text(object, member)
  local parsed, value = pcall(cjson.decode, object)
  return parsed and type(value) == 'table' and type(value[member]) == 'string'
end

-- What a change needs to be carried out; without it nothing is written, of the others neither.
local NEEDS = {}
function NEEDS.pending(_, argument)
  if argument == 'surrendered' then return not job.cancel end
  return looks or argument == 'interrupted' or is_span(argument)
end
function NEEDS.waiting(data, argument)
  return looks or has_text(data, 'for') and (spans_of(argument) or argument == 'refused' and job.answers)
end
function NEEDS.cancel_requested(data) return has_text(data, 'by') end
function NEEDS.artifact(_, argument) return has_text(argument, 'name') end

local changes_told = (#ARGV - 4) / 3

local function refusal(type, last)
  if type == 'cancel_requested' then return changes_told > 1 and 'illegal' or nil end
  if token ~= '' and not by_worker then return 'stale' end
  if SUCCESSORS[type] then
    if not last or type == 'processing' or not SUCCESSORS[job.status][type] then return 'illegal' end
    return running and not by_worker and 'stale' or nil
  end
  if not by_worker or (type == 'waiting' and not last) then return 'illegal' end
end

for i = 1, changes_told do
  local type, data, argument = ARGV[3 * i + 2], ARGV[3 * i + 3], ARGV[3 * i + 4]
  local verdict = refusal(type, i == changes_told)
  if not verdict and NEEDS[type] and not NEEDS[type](data, argument) then verdict = 'illegal' end
  if verdict then return {verdict, job.seq, job.status} end
end

if part > 0 then store(job, {part = part}) end

local STOPPED = {pending = true, waiting = true, cancelled = true}

local CHANGES = {}

function CHANGES.pending(_, argument)
  local interrupted = argument == 'interrupted' or argument == 'surrendered'
  return {attempt = interrupted and job.attempt - 1 or job.attempt}, now + (interrupted and 0 or tonumber(argument))
end

-- The clocks of a wait that goes on, since what came was no answer, are as they were. What came early for the next one
-- cannot be meant.
local function refuse_answer(changes)
  local n = job.answers - 1
  for _, number in ipairs({n, n + 1}) do
    drop_answer(job, number)
    redis.call('HDEL', answers_key(job), number)
  end
  changes.answers, changes.early = n > 0 and n or false, false
  return changes, job.wait_until or now
end

function CHANGES.waiting(data, argument)
  local changes = {token = false, worker = false, part = false, waiting = cjson.decode(data)['for']}
  if argument == 'refused' then return refuse_answer(changes) end
  local deadline, beat, look = spans_of(argument)
  changes.wait_until = now + deadline
  changes.beat, changes.beat_by = beat > 0 and beat, beat > 0 and now + beat
  changes.look, changes.look_at = look > 0 and look, look > 0 and now + look
  return changes, changes.wait_until
end

function CHANGES.log(_, argument)
  if argument == 'verified' and job.answers then
    redis.call('HDEL', answers_key(job), job.answers - 1 .. ':headers')
  end
  return {}
end

function CHANGES.artifact(_, argument)
  redis.call('HSET', job_key(id, 'artifacts'), cjson.decode(argument).name, job.seq .. ' ' .. argument)
  return {}
end

local function end_look(argument)
  local found = string.match(argument, '^answered (.*)$')
  if found and not job.early then keep_answer(job, 'reconciled', 'completed', found, '') end
  stop_looking(job, now, (argument == 'interrupted' or argument == 'surrendered') and 0 or job.look or 0)
end

local function carry_out(type, data, argument)
  if type == 'cancel_requested' then return request_cancel(job, now, data) end
  if job.cancel and STOPPED[type] then -- asked to stop, and it has stopped: there is no next attempt, nor a wait
    type, data = 'cancelled', '{"by":' .. cjson.encode(job.cancel_by) .. ',"stage":"processing"}'
  end
  if looks and (type == 'pending' or type == 'waiting') then return end_look(argument) end
  local changes, due = {}, nil
  if CHANGES[type] then changes, due = CHANGES[type](data, argument) end
  if due then data = string.gsub(data, '"@"', '"' .. rfc3339(due) .. '"', 1) end
  if type == 'progress' then data = with_eta(job, now, data) end
  append(job, now, type, data)
  if type == 'progress' and job.batch then changes.percent = hundredths(data) end
  if type == 'completed' and argument ~= '' then redis.call('SET', job_key(id, 'result'), argument) end
  if ended(type) then
    finish(job, now, type)
  elseif type == 'pending' then
    enqueue(job, now, due, changes)
  else
    save(job, now, changes)
    if type == 'waiting' then wait_on(job, now) end
  end
end

for i = 1, changes_told do carry_out(ARGV[3 * i + 2], ARGV[3 * i + 3], ARGV[3 * i + 4]) end
trim(job, tonumber(ARGV[3]))
return {'ok', job.seq, job.status}

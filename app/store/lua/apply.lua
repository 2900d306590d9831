-- apply: events of one job, all of them or none. A change of status comes last; it is legal by SUCCESSORS alone. A
-- request to cancel comes alone, as it may turn into the end.
-- ARGV: id, run token ('' for who holds no run), most events to keep, which part of what the run tells this is (0: it
-- is not told in parts), then per event: type, data, argument. A part that was written before is not written again.
-- The argument: completed → result JSON or ''; pending → delay in ms, 'interrupted', or 'surrendered' by
-- who cannot say that the work has stopped, which is illegal once a cancel was asked for; waiting → delay in ms;
-- artifact → its entry as JSON; else ''. '"@"' in the data of pending and waiting becomes the time that delay leads to;
-- a worker's `cancelled` gets its data here.
-- Returns {'ok' | 'unknown' | 'stale' | 'illegal', seq, status}

local id, token, part = ARGV[1], ARGV[2], tonumber(ARGV[4])
local now = now_ms()
local job = load_job(id)
if not job then return {'unknown', 0, ''} end

local running = job.status == 'processing' and job.token ~= nil
local by_worker = running and job.token == token
if by_worker and part > 0 and part <= (job.part or 0) then return {'ok', job.seq, job.status} end

local function has_text(object, member)
  local decoded, value = pcall(cjson.decode, object)
  return decoded and type(value) == 'table' and type(value[member]) == 'string'
end

-- What a change needs to be carried out; without it nothing is written, of the others neither.
local NEEDS = {}
function NEEDS.pending(_, argument)
  if argument == 'surrendered' then return not job.cancel end
  return argument == 'interrupted' or is_span(argument)
end
function NEEDS.waiting(data, argument) return has_text(data, 'for') and is_span(argument) end
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

function CHANGES.waiting(data, argument)
  local deadline = now + tonumber(argument)
  leave(id, now)
  return {token = false, worker = false, part = false, waiting = cjson.decode(data)['for']}, deadline
end

function CHANGES.artifact(_, argument)
  redis.call('HSET', job_key(id, 'artifacts'), cjson.decode(argument).name, job.seq .. ' ' .. argument)
  return {}
end

local function carry_out(type, data, argument)
  if type == 'cancel_requested' then return request_cancel(job, now, data) end
  if job.cancel and STOPPED[type] then -- asked to stop, and it has stopped: there is no next attempt, nor a wait
    type, data = 'cancelled', '{"by":' .. cjson.encode(job.cancel_by) .. ',"stage":"processing"}'
  end
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
    if due then redis.call('ZADD', DEADLINES, due, id) end
  end
end

for i = 1, changes_told do carry_out(ARGV[3 * i + 2], ARGV[3 * i + 3], ARGV[3 * i + 4]) end
if redis.call('XLEN', job_key(id, 'events')) > tonumber(ARGV[3]) then
  trim(job, tonumber(ARGV[3]))
  store(job, {trimmed = job.trimmed or false})
end
return {'ok', job.seq, job.status}

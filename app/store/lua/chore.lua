-- chore: a step of what is to be done in a batch. Jobs are cancelled first, then made, then run again, so that what was
-- asked for last is what comes of them. Many may be at it: each step is of other jobs.
-- ARGV: id, or '' for the one that was left alone longest; ms after which one is; most jobs; arq payload, of a job "@".
-- Returns {id or '', 1 where more is to be done, else 0}

local MOST_BYTES = 262144 -- of what jobs are made from: one may be as large
local ANY = 9007199254740991

local now, most = now_ms(), tonumber(ARGV[3])
local id = ARGV[1]
if id == '' then id = redis.call('ZRANGEBYSCORE', CHORES, '-inf', now - ARGV[2], 'LIMIT', 0, 1)[1] or '' end
local key, staged = batch_key(id), batch_key(id, 'staged')
local batch = redis.call('HMGET', key, 'owner', 'total', 'cancel', 'cancel_from', 'retry_from', 'by')
local owner, total, cancelled, cancel_from, retry_from, asker = unpack(batch)
if not owner then
  redis.call('ZREM', CHORES, id)
  return {'', 0}
end
redis.call('ZADD', CHORES, now, id) -- comes first: a server that takes no writes refuses before anything is taken

asker = asker or owner -- of what is done to it; one written before that was kept is its owner's
local by = cjson.encode(asker)
local function payload(job_id) return (string.gsub(ARGV[4], '"@"', '"' .. job_id .. '"', 1)) end
local function cancel(job) request_cancel(job, now, '{"by":' .. by .. '}') end
local function retry(job) if job.status == 'failed' then again(job, now, asker, payload(job.id), ANY, ANY) end end

local function make(number, text)
  local job_id, fields, params, delay, run_at, start_within, hook = unpack(cjson.decode(text))
  local job = {id = job_id}
  for i = 1, #fields, 2 do job[fields[i]] = fields[i + 1] end
  local due = run_at > 0 and run_at or redis.call('HGET', key, 'created') + delay
  accept(job, now, math.max(0, due - now), start_within, fields, params, payload(job_id), hook)
  redis.call('ZADD', batch_key(id, 'jobs'), number, job_id)
  less_one(COUNTS, 'staged')
  less_one(COUNTS, 'staged:' .. owner)
  if cancelled then cancel(job) end
end

local function make_some()
  local left, bytes = redis.call('LLEN', staged), 0
  for number = total - left + 1, total - left + math.min(left, most) do
    local text = redis.call('LPOP', staged)
    make(number, text)
    bytes = bytes + #text
    if bytes >= MOST_BYTES then break end
  end
end

-- From where the last step has left off, which `field` says; it goes when all have been visited.
local function visit(field, from, step)
  local found = redis.call('ZRANGEBYSCORE', batch_key(id, 'jobs'), '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #found, 2 do
    if redis.call('EXISTS', job_key(found[i], 'job')) == 1 then safely(step, found[i]) end
  end
  if #found == 2 * most then return redis.call('HSET', key, field, found[#found]) end
  redis.call('HDEL', key, field)
  weigh(id, now)
  note_change(id, now)
end

if cancel_from then
  visit('cancel_from', cancel_from, cancel)
elseif redis.call('EXISTS', staged) == 1 then
  make_some()
elseif retry_from then
  redis.call('HDEL', key, 'cancel')
  visit('retry_from', retry_from, retry)
end

local left = redis.call('HMGET', key, 'cancel_from', 'retry_from')
if left[1] or left[2] or redis.call('EXISTS', staged) == 1 then return {id, 1} end
redis.call('ZREM', CHORES, id)
return {id, 0}

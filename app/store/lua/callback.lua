-- callback: an outside system answers a wait, or says that it is still at it. What comes before the wait is kept for it.
-- ARGV: id, number of the wait, 'completed' | 'failed' | 'progress' | 'heartbeat', the answer or the progress as JSON, and
-- of an answer: its fingerprint, headers as JSON.
-- Returns 'accepted' | 'early' | 'duplicate' | 'reconciled' | 'conflict' | 'over' | 'unknown'

local job, number, what, body = load_job(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
if not job then return 'unknown' end
local now = now_ms()
local answers = what == 'completed' or what == 'failed'

local known = redis.call('HGET', answers_key(job), number)
if known and answers then
  if known == 'reconciled' then return known end
  return known == ARGV[5] and 'duplicate' or 'conflict'
end
local too_late = job.waiting and math.min(job.wait_until or 0, job.beat_by or math.huge) <= now
if known or too_late or ended(job.status) or number ~= (job.answers or 0) then return 'over' end

if answers then
  keep_answer(job, ARGV[5], what, body, ARGV[6])
  if not job.waiting then return 'early' end
  if not (job.token and job.cancel) then go_on(job, now) end -- a look that is to stop has to stop first
  return 'accepted'
end

if not job.waiting then return 'early' end
if what == 'progress' then
  append(job, now, 'progress', body)
  save(job, now, {percent = job.batch and hundredths(body)})
end
if job.beat then store(job, {beat_by = now + job.beat}) end
if not job.token then redis.call('ZADD', DEADLINES, clock_of(job), job.id) end
return 'accepted'

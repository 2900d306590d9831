-- hold: a pending job is taken out of its queue for a while, or put back. Repeats change nothing.
-- ARGV: id, 'suspend' | 'resume', by whom, for ms, most events to keep. Returns 'ok' | 'unknown' | 'illegal'

local job, now = load_job(ARGV[1]), now_ms()
if not job then return 'unknown' end
if job.status ~= 'pending' then return 'illegal' end
if ARGV[2] == 'suspend' and not job.suspended then suspend(job, now, ARGV[3], tonumber(ARGV[4])) end
if ARGV[2] == 'resume' and job.suspended then resume(job, now, ARGV[3]) end
trim(job, tonumber(ARGV[5]))
return 'ok'

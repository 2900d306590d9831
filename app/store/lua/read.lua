-- read: a job as it stands. Writes nothing.
-- ARGV: id, 'result' or '' (leave a large result out), and for the log: the seq after which, or ''.
-- Returns {} for an unknown job, else what `view` does

local job = load_job(ARGV[1])
return job and view(job, now_ms(), ARGV[2] ~= '', ARGV[3]) or {}

-- read: a job as it stands. Writes nothing.
-- ARGV: id, 'result' or '' (leave a large result out), and for the log: the seq after which, or ''.
-- Returns {} for an unknown job, else what `view` does

local job = load_job(ARGV[1])
if not job then return {} end
local now = now_ms()
return view(job, now, outlook_of(job, now), ARGV[2] ~= '', ARGV[3])

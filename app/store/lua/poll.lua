-- poll: a client asks how its job stands, as often as it may. What it has already is not sent again.
-- ARGV: id, owner or '*' for any, who asks, seq the client has or '', most polls in a row, what it costs to be told that
-- there is no news (1, or 0 of who then waits for it), 'result' or '', and for the log: the seq after which, or ''.
-- Returns {} for a job unknown or another's; else {allowed 1 | 0, polls left, ms until one more, poll interval, seq, ended
-- 1 | 0, and unless refused or unchanged what `view` does}

local job = load_job(ARGV[1])
if not job or (ARGV[2] ~= '*' and job.owner ~= ARGV[2]) then return {} end
local now = now_ms()

local function has_it() return ARGV[4] == tostring(job.seq) end

local outlook = outlook_of(job, now)
local cost = has_it() and not ended(job.status) and tonumber(ARGV[6]) or 1
local key, most = job_key(job.id, 'polls:' .. ARGV[3]), tonumber(ARGV[5])
local allowed, left, next_ms = take(key, now, most, outlook.interval, cost)
if allowed then
  tell_position(job, now, outlook.place, outlook.eta)
else
  note_refusal('job', job.id, ARGV[3], now)
end
local reply = {allowed and 1 or 0, left, next_ms, outlook.interval, job.seq, ended(job.status) and 1 or 0}
if allowed and not has_it() then reply[7] = view(job, now, outlook, ARGV[7] ~= '', ARGV[8]) end
return reply

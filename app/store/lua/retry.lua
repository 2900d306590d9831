-- retry: a failed or cancelled job begins a new series of attempts. Its log goes on.
-- ARGV: id, by whom, arq payload, most live jobs of an owner, most of all, most events to keep.
-- Returns 'ok' | 'unknown' | 'illegal' | 'expired' | 'queue_full' | 'store_full'

local job, now = load_job(ARGV[1]), now_ms()
if not job then return 'unknown' end
local answer = again(job, now, ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
if answer == 'ok' then trim(job, tonumber(ARGV[6])) end
return answer

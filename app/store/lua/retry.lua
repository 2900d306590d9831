-- retry: a failed or cancelled job begins a new series of attempts. Its log goes on.
-- ARGV: id, by whom, arq payload, most live jobs of an owner, most of all.
-- Returns 'ok' | 'unknown' | 'illegal' | 'expired' | 'queue_full' | 'store_full'

local job, now = load_job(ARGV[1]), now_ms()
if not job then return 'unknown' end
return again(job, now, ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))

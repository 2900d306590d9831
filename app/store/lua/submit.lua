-- submit: an earlier job of the same idempotency key, else record, first event, queue entry and wake-up, all or none.
-- ARGV: id, record fields as a flat JSON array, params, delay ms, arq payload, idempotency key, fingerprint, its TTL ms,
-- start within ms of being due (0: whenever), most submissions a minute, most live jobs of an owner, most of all, when to
-- run (ms since 1970, instead of the delay; 0: now), the longest delay in ms, 'known' to accept nothing new, whom to tell
-- ('<host> <url>' or ''), the key it came with, most submissions a minute of that (0: as of its owner).
-- Returns {'accepted' | 'replayed', id, when, position or false, eta or false, eta p90 or false, submissions left, ms
-- until one more}, {'conflict', id}, {'unknown'}, {'too_late'}, or {'too_fast' | 'queue_full' | 'store_full', submissions
-- left, ms until one more}; an error, with nothing written, for times beyond reason.

local fields = cjson.decode(ARGV[2])
local now, start_within, per_minute, run_at = now_ms(), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[13])
local delay = run_at > 0 and math.max(0, run_at - now) or tonumber(ARGV[4])

local job = {id = ARGV[1]}
for i = 1, #fields, 2 do job[fields[i]] = fields[i + 1] end
for _, span in ipairs({ARGV[4], tostring(job.ttl), ARGV[8], ARGV[9]}) do
  if not is_span(span) then return redis.error_reply('not a time in ms: ' .. span) end
end

local earlier = recall(job.owner, ARGV[6], ARGV[7])
if earlier then return earlier end
if ARGV[15] == 'known' then return {'unknown'} end
if delay > tonumber(ARGV[14]) then return {'too_late'} end

local allowed, left, next_ms = take_both('submits', job.owner, per_minute, ARGV[17], tonumber(ARGV[18]), now, 1)
if not allowed then return {'too_fast', left, next_ms} end
local full = is_full(job.owner, 1, tonumber(ARGV[11]), tonumber(ARGV[12]))
if full then return {full, left, next_ms} end

local place, eta, eta_p90 = accept(job, now, delay, start_within, fields, ARGV[3], ARGV[5], ARGV[16])
local answer = {now, place or false, eta or false, eta_p90 or false, left, next_ms}
remember(job.owner, ARGV[6], ARGV[7], ARGV[8], job.id, answer)
return {'accepted', job.id, unpack(answer)}

-- survey: how a batch stands. A client that asks may do so as often as for a job, and is not sent again what it has.
-- ARGV: id, who asks or '' for who is not counted, seq the client has or '', most polls in a row, owner or '*' for any.
-- Returns {} for one unknown, or another owner's; else {allowed 1 | 0, polls left, ms until one more, poll interval, seq,
-- ended 1 | 0, and unless refused or unchanged the record}

local id, who, now = ARGV[1], ARGV[2], now_ms()
local flat, batch = redis.call('HGETALL', batch_key(id)), {}
for i = 1, #flat, 2 do batch[flat[i]] = flat[i + 1] end
if not batch.total or (ARGV[5] ~= '*' and ARGV[5] ~= batch.owner) then return {} end

local interval, same = poll_interval(batch, now), ARGV[3] == batch.seq
local allowed, left, next_ms = true, 0, 0
if who ~= '' then allowed, left, next_ms = take(batch_key(id, 'polls:' .. who), now, tonumber(ARGV[4]), interval, 1) end
if not allowed then note_refusal('batch', id, who, now) end
local reply = {allowed and 1 or 0, left, next_ms, interval, tonumber(batch.seq), ended(batch.status) and 1 or 0}
if allowed and not same then reply[7] = flat end
return reply

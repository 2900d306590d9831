-- settle: what an attempt at a delivery came to. Nothing where its lease was lost, as another has it by then, or had it.
-- ARGV: id, n, host, token, most under way at a receiver, status, the attempt as JSON, HTTP status or '', ms until the next
-- attempt, ms for which the host asked to be left alone, owner.
-- Returns 1, or 0 for a lost lease

local MOST_TRIES = 20

local id, n, host, token, status = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local now, key, entry = now_ms(), deliveries_key(ARGV[1]), entry_of(ARGV[1], ARGV[2])
local delivery = load_delivery(id, n)
if delivery and delivery.token ~= token then return 0 end
if not end_attempt(host, entry) then return 0 end
redis.call('ZREM', share_key(ARGV[11]), entry)

local function note_try()
  local tries = redis.call('HGET', key, n .. ':tries')
  tries = decoded(tries) or {}
  tries[#tries + 1] = ARGV[7]
  if #tries > MOST_TRIES then table.remove(tries, 1) end
  redis.call('HSET', key, n .. ':tries', cjson.encode(tries))
end

if delivery then -- else it went with its job meanwhile
  local is_old = delivery.event == 'progress' and redis.call('HGET', key, 'progress') ~= n
  if status == 'retrying' and is_old then status = 'superseded' end
  delivery.token, delivery.attempt, delivery.status = nil, delivery.attempt + 1, status
  note_try()
  if status == 'gone' then redis.call('HSET', key, 'gone', now) end
  if status == 'failed' then note_failed(ARGV[11], now, entry) end
  if status == 'retrying' then
    await_turn(id, n, delivery, host, now, now + tonumber(ARGV[9]))
  else
    store_delivery(id, n, delivery)
  end
end
note_health(host, now, ARGV[8], tonumber(ARGV[10]))
line_up(host, now, tonumber(ARGV[5]))
bring_back(ARGV[11], now, tonumber(ARGV[5]))
return 1

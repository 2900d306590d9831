-- deliver: what is due at receivers, up to the free slots, becomes attempts of this worker, each with a fresh token and a
-- lease. Receivers take turns, one delivery each; who has as many under way as it may, or is to be left alone, is passed
-- over, and so is what an owner has waiting that has its share. What was lost with its worker comes again.
-- ARGV: worker, free slots, lease ms, most under way at a receiver, most of an owner.
-- Returns {ms until something is due, or -1; now; then one array per delivery}

local MOST_LOST, MOST_HOSTS, MOST_PASSED = 256, 256, 256

local worker, slots, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local per_host, per_owner = tonumber(ARGV[4]), tonumber(ARGV[5])
local now, taken, passed = now_ms(), {}, 0

local function take_back(entry, host)
  local id, n = parts_of(entry)
  end_attempt(host, entry)
  local delivery = load_delivery(id, n)
  if delivery and delivery.token then
    delivery.token, delivery.status = nil, delivery.attempt > 0 and 'retrying' or 'pending'
    await_turn(id, n, delivery, host, now, now)
  end
  line_up(host, now, per_host)
end

-- Nothing of a delivery that is gone with its job, whose receiver wants no more, or whose owner has its share.
local function hand_out(entry, host)
  local id, n = parts_of(entry)
  local known = redis.call('HMGET', deliveries_key(id), 'url', 'owner', 'gone', n, n .. ':told')
  local delivery = decoded(known[4])
  if delivery and known[2] and has_share(known[2], now, per_owner) then
    passed = passed + 1
    return pass_over(entry, host, known[2], delivery.due or now, now, lease)
  end
  redis.call('ZREM', host_lane(host), entry)
  if not known[1] or not delivery or not known[5] then return end
  delivery.due = nil
  if known[3] then
    delivery.status = 'gone'
    return store_delivery(id, n, delivery)
  end
  delivery.claims = delivery.claims + 1
  delivery.status, delivery.token = 'sending', worker .. '.' .. delivery.claims
  store_delivery(id, n, delivery)
  begin_attempt(host, known[2], now, lease, entry)
  taken[#taken + 1] = {id, tonumber(n), delivery.seq, delivery.at, known[2], known[1], host, delivery.event,
    delivery.attempt + 1, delivery.token, known[5]}
end

-- Whether the host may have another turn now.
local function serve(host)
  local first = redis.call('ZRANGEBYSCORE', host_lane(host), '-inf', now, 'LIMIT', 0, 1)[1]
  local begins = first and may_begin(host, now, per_host)
  if begins then hand_out(first, host) end
  line_up(host, now, per_host)
  return begins
end

for _, lost in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, MOST_LOST)) do
  take_back(string.match(lost, '^(%S+ %d+) (.*)$'))
end

local hosts = redis.call('ZRANGEBYSCORE', HOSTS, '-inf', now, 'LIMIT', 0, MOST_HOSTS)
while #hosts > 0 and #taken < slots and passed < MOST_PASSED do
  local in_turn = {}
  for _, host in ipairs(hosts) do
    if #taken < slots and passed < MOST_PASSED and serve(host) then in_turn[#in_turn + 1] = host end
  end
  hosts = in_turn
end

local wait = -1
for _, key in ipairs({HOSTS, LEASES}) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  local left = first[2] and math.max(0, tonumber(first[2]) - now)
  if left and (wait < 0 or left < wait) then wait = left end
end
return {wait, now, unpack(taken)}

-- deliver: what is due at receivers, up to the free slots, becomes attempts of this worker, each with a fresh token and a
-- lease. Receivers take turns, one delivery each; who has as many under way as it may, or is to be left alone, is passed
-- over. What was lost with its worker comes again.
-- ARGV: worker, free slots, lease ms, most under way at a receiver.
-- Returns {ms until something is due, or -1; now; then one array per delivery}

local MOST_LOST, MOST_HOSTS = 256, 256

local worker, slots, lease, per_host = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now, taken = now_ms(), {}

local function recover(entry, host)
  local id, n = parts_of(entry)
  end_attempt(host, entry)
  local delivery = load_delivery(id, n)
  if delivery and delivery.token then
    delivery.token, delivery.status = nil, delivery.attempt > 0 and 'retrying' or 'pending'
    await_turn(id, n, delivery, host, now, now)
  end
  line_up(host, now, per_host)
end

-- Nothing of a delivery that is gone with its job, or whose receiver wants no more.
local function take(entry, host)
  local id, n = parts_of(entry)
  local known = redis.call('HMGET', deliveries_key(id), 'url', 'owner', 'gone', n, n .. ':told')
  local delivery = decoded(known[4])
  if not known[1] or not delivery or not known[5] then return end
  delivery.due = nil
  if known[3] then
    delivery.status = 'gone'
    return store_delivery(id, n, delivery)
  end
  delivery.claims = delivery.claims + 1
  delivery.status, delivery.token = 'sending', worker .. '.' .. delivery.claims
  store_delivery(id, n, delivery)
  begin_attempt(host, now, lease, entry)
  taken[#taken + 1] = {id, tonumber(n), delivery.seq, delivery.at, known[2], known[1], host, delivery.event,
    delivery.attempt + 1, delivery.token, known[5]}
end

-- Whether the host may have another turn now.
local function serve(host)
  local lane = host_lane(host)
  local first = redis.call('ZRANGEBYSCORE', lane, '-inf', now, 'LIMIT', 0, 1)[1]
  local begins = first and may_begin(host, now, per_host)
  if begins then
    redis.call('ZREM', lane, first)
    take(first, host)
  end
  line_up(host, now, per_host)
  return begins
end

for _, lost in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, MOST_LOST)) do
  recover(string.match(lost, '^(%S+ %d+) (.*)$'))
end

local hosts = redis.call('ZRANGEBYSCORE', HOSTS, '-inf', now, 'LIMIT', 0, MOST_HOSTS)
while #hosts > 0 and #taken < slots do
  local again = {}
  for _, host in ipairs(hosts) do
    if #taken < slots and serve(host) then again[#again + 1] = host end
  end
  hosts = again
end

local wait = -1
for _, key in ipairs({HOSTS, LEASES}) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  local left = first[2] and math.max(0, tonumber(first[2]) - now)
  if left and (wait < 0 or left < wait) then wait = left end
end
return {wait, now, unpack(taken)}

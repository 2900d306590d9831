-- The receivers of webhooks: who may be asked, how many attempts are under way at each, and of each owner, and when to
-- leave one alone.
local hooks = webhooks()
local HOSTS, LEASES, DAY_MS, deliveries_key, host_lane = hooks.HOSTS, hooks.LEASES, hooks.DAY_MS, hooks.key, hooks.lane
local load_delivery, store_delivery, await_turn = hooks.load, hooks.store, hooks.await_turn
local entry_of, parts_of, decoded, waits = hooks.entry_of, hooks.parts_of, hooks.decoded, hooks.waits

local MOST_FAILURES = 5 -- in a row; then a host is paused
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30000, 600000 -- doubling; then one attempt shows whether it is back
local LONGEST_QUIET_MS = 3600000 -- that a host may ask for
local MOST_FAILED = 10000 -- deliveries of an owner that are known to have failed, latest first
local FAILED_MS = 31 * DAY_MS

local function host_key(host) return PREFIX .. 'webhooks:host:' .. host end
local function share_key(owner) return PREFIX .. 'webhooks:owner:' .. owner end
local function passed_key(owner) return PREFIX .. 'webhooks:passed:' .. owner end
local function failed_key(owner) return PREFIX .. 'webhooks:failed:' .. owner end

-- Of a host: whether one more attempt may begin now; else from when on, nil where another has to end first.
local function may_begin(host, now, most)
  local known = redis.call('HMGET', host_key(host), 'underway', 'failures', 'until', 'quiet')
  local till = math.max(tonumber(known[3] or 0), tonumber(known[4] or 0))
  if till > now then return false, till end
  if tonumber(known[2] or 0) >= MOST_FAILURES then most = 1 end
  return tonumber(known[1] or 0) < most, nil
end

-- When the host is to be looked at next: not at all where nothing is due, or where the end of an attempt brings it back.
local function line_up(host, now, most)
  local first = redis.call('ZRANGE', host_lane(host), 0, 0, 'WITHSCORES')
  local free, till = may_begin(host, now, most)
  if first[1] and (free or till) then
    redis.call('ZADD', HOSTS, math.max(now, tonumber(first[2]), till or 0), host)
  else
    redis.call('ZREM', HOSTS, host)
  end
end

-- Whether an owner has as many under way as it may. What was lost with its worker counts until its lease is over.
local function has_share(owner, now, most)
  return redis.call('ZCOUNT', share_key(owner), '(' .. now, '+inf') >= most
end

-- Out of the way of others' in its lane, until one of its owner's has been settled; or for as long as a lease.
local function pass_over(entry, host, owner, due, now, lease)
  redis.call('ZADD', host_lane(host), now + lease, entry)
  redis.call('ZADD', passed_key(owner), due, entry .. ' ' .. host)
  redis.call('PEXPIRE', passed_key(owner), lease)
end

-- The first that was passed over, of those that still are, goes back to where it was in its lane.
local function bring_back(owner, now, most)
  local passed = redis.call('ZRANGE', passed_key(owner), 0, 0)[1]
  if not passed then return end
  redis.call('ZREM', passed_key(owner), passed)
  local entry, host = string.match(passed, '^(%S+ %d+) (%S+)$')
  local delivery = load_delivery(parts_of(entry))
  local moved = delivery and delivery.due and redis.call('ZADD', host_lane(host), 'XX', 'CH', delivery.due, entry)
  if moved ~= 1 then return bring_back(owner, now, most) end
  line_up(host, now, most)
end

local function begin_attempt(host, owner, now, lease, entry)
  redis.call('ZADD', LEASES, now + lease, entry .. ' ' .. host)
  redis.call('HINCRBY', host_key(host), 'underway', 1)
  redis.call('PEXPIRE', host_key(host), DAY_MS)
  redis.call('ZADD', share_key(owner), now + lease, entry)
  redis.call('PEXPIRE', share_key(owner), lease)
end

-- Whether it was under way.
local function end_attempt(host, entry)
  if redis.call('ZREM', LEASES, entry .. ' ' .. host) == 0 then return false end
  if redis.call('HINCRBY', host_key(host), 'underway', -1) <= 0 then redis.call('HDEL', host_key(host), 'underway') end
  return true
end

-- A host that answers at all is alive, whatever it thinks of the webhook; '' is no answer.
local function is_down(http_status)
  local status = tonumber(http_status)
  return not status or status >= 500 or status == 429 or status == 408
end

local function note_health(host, now, http_status, quiet)
  local key = host_key(host)
  if quiet > 0 then redis.call('HSET', key, 'quiet', now + math.min(quiet, LONGEST_QUIET_MS)) end
  if not is_down(http_status) then return redis.call('HDEL', key, 'failures', 'until', 'pause') end
  local failures, known = redis.call('HINCRBY', key, 'failures', 1), redis.call('HMGET', key, 'until', 'pause')
  redis.call('PEXPIRE', key, DAY_MS)
  if failures < MOST_FAILURES or tonumber(known[1] or 0) > now then return end
  local pause = known[2] and math.min(2 * known[2], LONGEST_PAUSE_MS) or FIRST_PAUSE_MS
  redis.call('HSET', key, 'until', now + pause, 'pause', pause)
end

local function note_failed(owner, now, entry)
  local key = failed_key(owner)
  redis.call('ZADD', key, now, entry)
  redis.call('ZREMRANGEBYRANK', key, 0, -MOST_FAILED - 1)
  redis.call('PEXPIRE', key, FAILED_MS)
end

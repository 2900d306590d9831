-- What is told to others: an event that a job's `callback_url` is to hear of becomes a delivery, in the call that writes
-- the event, with the job as the event has left it. Receivers, told apart by host and port, have a lane each.
--   {<id>}:deliveries         of a job or a batch. hash: url, host, owner, n (the latest), gone (it wants no more), needed
--                             (until when they stay, whatever becomes of the job), progress and progress_at (the latest of
--                             a progress, and its time); and of each n: <n> its state, <n>:told what is told, <n>:tries
--                             its attempts
--   webhooks:lane:<host>      '<id> <n>' → when it is due; n in seven digits
--   webhooks:hosts            host → when it is to be looked at next, of those that something is due at
--   webhooks:leases           '<id> <n> <host>' → when its attempt counts as lost
--   webhooks:host:<host>      hash: underway, failures (in a row), until and pause (of the circuit breaker), quiet (until
--                             when it asked for peace)
--   webhooks:owner:<owner>    '<id> <n>' → the same, of an owner's
--   webhooks:passed:<owner>   '<id> <n> <host>' → when it was due, of those passed over as their owner had its share
--   webhooks:failed:<owner>   '<id> <n>' → since when
-- A state is JSON: event, seq, at, status (pending sending retrying delivered failed gone superseded), attempt (those that
-- were settled), claims, due while it waits, token while it is under way.

-- All of it is made when it is needed only: to make functions costs about as much as calling them, and most jobs tell
-- nobody.
local function webhooks()
  local HOSTS, LEASES = PREFIX .. 'webhooks:hosts', PREFIX .. 'webhooks:leases'
  local MOST_DELIVERIES = 1000 -- kept of a job; older ones go, also untold, unless they tell of its status
  local PROGRESS_MS = 10000 -- a job's progress is told no more often
  local DAY_MS = 86400000

  local function deliveries_key(id) return job_key(id, 'deliveries') end
  local function host_lane(host) return PREFIX .. 'webhooks:lane:' .. host end
  local function entry_of(id, n) return string.format('%s %07d', id, n) end -- in a lane a job's are in order
  local function parts_of(entry) return string.match(entry, '^(%S+) 0*(%d+)$') end
  local function waits(delivery) return delivery.status == 'pending' or delivery.status == 'retrying' end

  -- Garbage is nothing.
  local function decoded(text)
    local parsed, value = pcall(cjson.decode, text or '')
    return parsed and type(value) == 'table' and value or nil
  end

  -- nil where there is none, or none any more.
  local function load_delivery(id, n) return decoded(redis.call('HGET', deliveries_key(id), n)) end

  local function store_delivery(id, n, delivery) redis.call('HSET', deliveries_key(id), n, cjson.encode(delivery)) end

  -- Until when they are kept at least, for those that wait.
  local function needed(id) return tonumber(redis.call('HGET', deliveries_key(id), 'needed') or 0) end

  -- From the end of its job on, and not only as long as that: what waits is to be told.
  local function expire(id, at) redis.call('PEXPIREAT', deliveries_key(id), math.max(at, needed(id))) end

  -- To be attempted then, by whoever looks.
  local function await_turn(id, n, delivery, host, now, due)
    local needed_till = math.max(now, due) + DAY_MS
    delivery.due = due
    store_delivery(id, n, delivery)
    if needed_till > needed(id) then redis.call('HSET', deliveries_key(id), 'needed', needed_till) end
    redis.call('PEXPIREAT', deliveries_key(id), needed_till, 'GT')
    redis.call('ZADD', host_lane(host), due, entry_of(id, n))
    redis.call('ZADD', HOSTS, 'LT', due, host)
    if due <= now then nudge('/webhooks') end
  end

  -- Whom a job or a batch is to tell: '<host> <url>', or '' for nobody.
  local function expect(id, owner, hook)
    local host, url = string.match(hook, '^(%S+) (%S+)$')
    if host then redis.call('HSET', deliveries_key(id), 'url', url, 'host', host, 'owner', owner) end
  end

  -- What was told of a progress, or will be, is no news any more, unless it is on its way just now.
  local function overtake(id, host, n, delivery)
    if not delivery or not waits(delivery) then return end
    redis.call('ZREM', host_lane(host), entry_of(id, n))
    delivery.status, delivery.due = 'superseded', nil
    store_delivery(id, n, delivery)
  end

  local function forget_delivery(id, host, n)
    local delivery = load_delivery(id, n)
    if not delivery or SUCCESSORS[delivery.event] then return end
    redis.call('ZREM', host_lane(host), entry_of(id, n))
    redis.call('HDEL', deliveries_key(id), n, n .. ':told', n .. ':tries')
  end

  -- Where the next progress goes: into the place of one nobody has been told of yet, else behind the one before.
  local function place_of_progress(id, host, now)
    local latest = redis.call('HMGET', deliveries_key(id), 'progress', 'progress_at')
    local before = latest[1] and load_delivery(id, latest[1])
    if before and before.status == 'pending' and before.claims == 0 then return latest[1], before.due end
    if before then overtake(id, host, latest[1], before) end
    return nil, math.max(now, tonumber(latest[2] or 0) + PROGRESS_MS)
  end

  local function queue(id, event, now, told)
    local key = deliveries_key(id)
    local known = redis.call('HMGET', key, 'host', 'gone', 'progress')
    local host, n, due = known[1], nil, now
    if not host or known[2] then return end
    if event.type == 'progress' then
      n, due = place_of_progress(id, host, now)
    elseif known[3] and ended(event.type) then
      overtake(id, host, known[3], load_delivery(id, known[3]))
    end
    if not n then
      n = redis.call('HINCRBY', key, 'n', 1)
      if n > MOST_DELIVERIES then forget_delivery(id, host, n - MOST_DELIVERIES) end
    end
    if event.type == 'progress' then redis.call('HSET', key, 'progress', n, 'progress_at', due) end
    redis.call('HSET', key, n .. ':told', told)
    local delivery = {event = event.type, seq = event.seq, at = event.at, status = 'pending', attempt = 0, claims = 0}
    await_turn(id, n, delivery, host, now, due)
  end

  -- The job as its record has it, with what `view` adds to that; and the event. A large result is left to `result_url`.
  local function tell(job, now)
    local record, artifacts = redis.call('HGETALL', job_key(job.id, 'job')), redis.call('HVALS', job_key(job.id, 'artifacts'))
    local latest = job.progress and job.progress .. '-0'
    local progress = latest and redis.call('XRANGE', job_key(job.id, 'events'), latest, latest)[1]
    for _, event in ipairs(job.untold) do
      local told = {record, event.data, progress and progress[2][6] or false, artifacts}
      queue(job.id, event, now, cjson.encode(told))
    end
    job.untold = nil
  end

  return {
    HOSTS = HOSTS, LEASES = LEASES, DAY_MS = DAY_MS, key = deliveries_key, lane = host_lane, entry_of = entry_of,
    parts_of = parts_of, waits = waits, decoded = decoded, load = load_delivery, store = store_delivery,
    await_turn = await_turn, expire = expire, expect = expect, queue = queue, tell = tell,
  }
end

-- queue: how a queue stands, for operators. Writes nothing.
-- ARGV: its name. Returns {waiting, delayed, running, paused 1 | 0, ms for which a job has been due that is next in its
-- lane: the most of them; runs begun, and jobs ended, in the last minute}

local MOST_LANES = 256 -- looked at

local queue, now = ARGV[1], now_ms()

-- Since when it could start. What waits for an answer, and is only to be looked for, keeps nobody waiting.
local function due_since(id, rank)
  local job = redis.pcall('HMGET', job_key(id, 'job'), 'status', 'started', 'priority', 'due', 'updated')
  if job[1] ~= 'pending' then return now end
  if not job[2] then return rank + (job[3] or 0) * PRIORITY_MS end
  return tonumber(job[4] or job[5]) or now
end

local function lag()
  local oldest, seen = now, 0
  for _, kind in ipairs(redis.call('HKEYS', queue_key(queue))) do
    for _, owner in ipairs(redis.call('ZRANGE', turns_key(queue, kind), 0, MOST_LANES - 1 - seen)) do
      local first = redis.call('ZRANGE', lane_key(queue, kind, owner), 0, 0, 'WITHSCORES')
      if first[1] then oldest = math.min(oldest, due_since(first[1], first[2])) end
      seen = seen + 1
    end
    if seen == MOST_LANES then break end
  end
  return now - oldest
end

-- Of the minute before as much as of it is still in the last sixty seconds.
local function in_last_minute(what)
  local minute, past = math.floor(now / MINUTE_MS), now % MINUTE_MS / MINUTE_MS
  local function counted(key) return tonumber(redis.call('HGET', key, what .. ':' .. queue) or 0) end
  return math.floor(counted(throughput_key(minute)) + counted(throughput_key(minute - 1)) * (1 - past) + 0.5)
end

local waiting = 0
for _, jobs in ipairs(redis.call('HVALS', queue_key(queue))) do waiting = waiting + jobs end
return {
  waiting,
  redis.call('ZCARD', later_key(queue)),
  count('queue:' .. queue),
  redis.call('SISMEMBER', PAUSED, 'queue:' .. queue),
  lag(),
  in_last_minute('started'),
  in_last_minute('ended'),
}

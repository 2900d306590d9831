-- Where pending jobs wait, and who is next. In each queue an owner has a lane for each kind; owners take turns, whatever
-- the length of their lanes, and in a lane the most urgent job is first.
--   lane:<queue>:<kind>:<owner>  job → rank
--   turns:<queue>                owner → its turn, of all whose jobs wait
--   turns:<queue>:<kind>         the same of those who have a lane of that kind, unless they are parked
--   left:<queue>                 owner → its turn, of those who left before it came
--   queue:<queue>                hash: kind → jobs in its lanes
--   waiting:<queue>              hash: owner → jobs in its lanes
--   parked:<queue>               owner → until when none of its jobs may start
--   later:<queue>                job → when it is due: it is in no lane before
-- A queue and a kind have no colon in their names, so no two of these are one.

local REACHED = PREFIX .. 'reached' -- hash: queue → the turn it has reached
local PRIORITY_MS = 600000 -- by a step of priority a job goes ahead of those that have waited ten minutes less
local MOST_OWNERS = 64 -- looked at to tell a position; the rest is taken to be like them

local function lane_key(queue, kind, owner) return PREFIX .. 'lane:' .. queue .. ':' .. kind .. ':' .. owner end
local function turns_key(queue, kind) return PREFIX .. 'turns:' .. queue .. (kind and ':' .. kind or '') end
local function left_key(queue) return PREFIX .. 'left:' .. queue end
local function queue_key(queue) return PREFIX .. 'queue:' .. queue end
local function waiting_key(queue) return PREFIX .. 'waiting:' .. queue end
local function parked_key(queue) return PREFIX .. 'parked:' .. queue end
local function later_key(queue) return PREFIX .. 'later:' .. queue end

local function less_one(key, field)
  if redis.call('HINCRBY', key, field, -1) > 0 then return false end
  redis.call('HDEL', key, field)
  return true
end

local function reached(queue) return tonumber(redis.call('HGET', REACHED, queue) or 0) end

-- An owner whose first job comes to wait. Who was away has missed no turn, nor gains one by coming back.
local function join(queue, owner)
  local turn = math.max(reached(queue), tonumber(redis.call('ZSCORE', left_key(queue), owner) or 0))
  redis.call('ZREM', left_key(queue), owner)
  redis.call('ZADD', turns_key(queue), turn, owner)
end

-- An owner whose last job waits no more. Where nobody waits, turns mean nothing.
local function depart(queue, owner)
  local turn = tonumber(redis.call('ZSCORE', turns_key(queue), owner) or 0)
  redis.call('ZREM', turns_key(queue), owner)
  if redis.call('EXISTS', turns_key(queue)) == 0 then
    redis.call('DEL', left_key(queue))
  elseif turn > reached(queue) then
    redis.call('ZADD', left_key(queue), turn, owner)
  end
end

-- Into its lane. What was begun before goes ahead of what is new.
local function push(job, due)
  local queue, owner = job.queue, job.owner
  local rank = (job.started or due) - (job.priority or 0) * PRIORITY_MS
  if redis.call('ZADD', lane_key(queue, job.kind, owner), rank, job.id) == 0 then return end
  redis.call('HINCRBY', queue_key(queue), job.kind, 1)
  if redis.call('HINCRBY', waiting_key(queue), owner, 1) == 1 then join(queue, owner) end
  if redis.call('ZCARD', lane_key(queue, job.kind, owner)) > 1 then return end -- the lane was there
  if not redis.call('ZSCORE', parked_key(queue), owner) then
    redis.call('ZADD', turns_key(queue, job.kind), redis.call('ZSCORE', turns_key(queue), owner), owner)
  end
end

-- Out of its lane, whatever its record says.
local function pull(queue, kind, owner, id)
  local lane = lane_key(queue, kind, owner)
  if redis.call('ZREM', lane, id) == 0 then return end
  less_one(queue_key(queue), kind)
  if less_one(waiting_key(queue), owner) then depart(queue, owner) end
  if redis.call('EXISTS', lane) == 0 then redis.call('ZREM', turns_key(queue, kind), owner) end
end

-- It waits no more.
local function withdraw(job)
  pull(job.queue, job.kind, job.owner, job.id)
  redis.call('ZREM', later_key(job.queue), job.id)
end

-- An owner's turn is over; the next comes the sooner the less it costs. Turns never go back: who was passed over, as no
-- worker took its kinds, is not owed what it missed, nor do those who come then go by its late turn.
local function pass_turn(queue, owner, cost)
  local turn = math.max(reached(queue), tonumber(redis.call('ZSCORE', turns_key(queue), owner) or 0))
  redis.call('HSET', REACHED, queue, turn)
  redis.call('ZREMRANGEBYSCORE', left_key(queue), '-inf', turn)
  redis.call('ZADD', turns_key(queue), 'XX', turn + cost, owner)
  for _, kind in ipairs(redis.call('HKEYS', queue_key(queue))) do
    redis.call('ZADD', turns_key(queue, kind), 'XX', turn + cost, owner)
  end
end

local function park(queue, owner, till)
  redis.call('ZADD', parked_key(queue), till, owner)
  for _, kind in ipairs(redis.call('HKEYS', queue_key(queue))) do
    redis.call('ZREM', turns_key(queue, kind), owner)
  end
end

-- Back into the turns, at the earliest the one reached: who was held back is not owed the time.
local function unpark(queue, owner)
  redis.call('ZREM', parked_key(queue), owner)
  local turn = redis.call('ZSCORE', turns_key(queue), owner)
  if not turn then return end
  turn = math.max(turn, reached(queue))
  redis.call('ZADD', turns_key(queue), turn, owner)
  for _, kind in ipairs(redis.call('HKEYS', queue_key(queue))) do
    if redis.call('EXISTS', lane_key(queue, kind, owner)) == 1 then
      redis.call('ZADD', turns_key(queue, kind), turn, owner)
    end
  end
end

-- Who is next among the jobs of a kind: {turn, rank, kind, owner, id}, or nil.
local function head(queue, kind)
  local owner = redis.call('ZRANGE', turns_key(queue, kind), 0, 0, 'WITHSCORES')
  if not owner[1] then return nil end
  local job = redis.call('ZRANGE', lane_key(queue, kind, owner[1]), 0, 0, 'WITHSCORES')
  if job[1] then return {tonumber(owner[2]), tonumber(job[2]), kind, owner[1], job[1]} end
  redis.call('ZREM', turns_key(queue, kind), owner[1]) -- somebody else's doing
  return head(queue, kind)
end

-- How many jobs of other owners are started before an owner's one that has so many of its own in front: of each as many
-- as it has turns till then.
local function of_others(queue, owner, mine)
  local owners = redis.call('ZRANGE', turns_key(queue), 0, MOST_OWNERS - 1)
  if #owners <= 1 and owners[1] == owner then return 0 end
  local sooner = redis.call('ZRANK', turns_key(queue), owner)
  if not sooner then return 0 end
  local ahead, if_sooner, if_later = 0, 0, 0
  for i, jobs in ipairs(redis.call('HMGET', waiting_key(queue), unpack(owners))) do
    if owners[i] ~= owner then
      local one_more, no_more = math.min(tonumber(jobs or 0), mine + 1), math.min(tonumber(jobs or 0), mine)
      ahead = ahead + (i <= sooner and one_more or no_more)
      if_sooner, if_later = if_sooner + one_more, if_later + no_more
    end
  end
  local seen, all = #owners - (sooner < #owners and 1 or 0), redis.call('ZCARD', turns_key(queue)) - 1
  if all == seen then return ahead end
  local unseen_sooner = math.max(0, sooner - seen)
  return ahead + math.floor((unseen_sooner * if_sooner + (all - seen - unseen_sooner) * if_later) / seen + 0.5)
end

-- How many jobs are started before this one, if nothing else comes: those of its owner with a lower rank, and those
-- of others. Nil for one that is not in a lane.
local function position(job)
  local queue, owner = job.queue, job.owner
  local lane = lane_key(queue, job.kind, owner)
  local mine, rank = redis.call('ZRANK', lane, job.id), nil
  if not mine then return nil end
  for _, kind in ipairs(redis.call('HKEYS', queue_key(queue))) do
    if kind ~= job.kind then
      rank = rank or redis.call('ZSCORE', lane, job.id)
      mine = mine + redis.call('ZCOUNT', lane_key(queue, kind, owner), '-inf', '(' .. rank)
    end
  end
  return mine + of_others(queue, owner, mine)
end

-- Into its lane, or where it waits until it is due; and a worker that is idle looks. Its position, or nil.
local function wait_in_line(job, now, due)
  nudge(job.queue)
  if due > now then
    redis.call('ZADD', later_key(job.queue), due, job.id)
    return nil
  end
  push(job, due)
  return position(job)
end

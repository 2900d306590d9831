-- The runs there are now, and how many of what: what limits of a kind and of an owner count. An entry says whose the run
-- is, so that it is taken off also where its record has gone bad.
local RUNNING = PREFIX .. 'running' -- hash: job → queue, kind, owner, worker, attempt and since when, in lines
-- hash: 'kind:…', 'queue:…' and 'owner:<queue>:…' → runs; 'live' → jobs not ended; 'staged' and 'staged:<owner>' → jobs
-- of batches still to be made
local COUNTS = PREFIX .. 'counts'

local function enter(job)
  local entry = job.queue .. '\n' .. job.kind .. '\n' .. job.owner .. '\n' .. job.worker .. '\n' .. job.attempt .. '\n' ..
    (job.begun or job.updated)
  if redis.call('HSET', RUNNING, job.id, entry) == 0 then return end
  redis.call('HINCRBY', COUNTS, 'queue:' .. job.queue, 1)
  redis.call('HINCRBY', COUNTS, 'kind:' .. job.kind, 1)
  redis.call('HINCRBY', COUNTS, 'owner:' .. job.queue .. ':' .. job.owner, 1)
end

-- Harmless where no run is. An owner that was at its limit is looked at by the next claim.
local function leave(id, now)
  local entry = redis.call('HGET', RUNNING, id)
  if not entry then return end
  local queue, kind, owner = string.match(entry, '^(.-)\n(.-)\n([^\n]*)')
  redis.call('HDEL', RUNNING, id)
  less_one(COUNTS, 'queue:' .. queue)
  less_one(COUNTS, 'kind:' .. kind)
  less_one(COUNTS, 'owner:' .. queue .. ':' .. owner)
  redis.call('ZADD', parked_key(queue), 'XX', now, owner)
end

local function count(what) return tonumber(redis.call('HGET', COUNTS, what) or 0) end

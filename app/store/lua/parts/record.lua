-- What all scripts share: a job's keys, its record, and how an event comes about.
-- Rendered in front by app/store/scripts.py: SUCCESSORS (the transition table) and KEPT (event types trimmed last).

local PREFIX = 'tidings:'
local TOMBSTONE_MS = 86400000 -- an expired result is answered 410 for a day, then the job is unknown
local KINDS = PREFIX .. 'kinds'
local PAUSED = PREFIX .. 'paused' -- set: 'queue:…' and 'kind:…' of which nothing is started
-- One set over all queues: a live job by the moment at which something must have happened to it, which is its lease's
-- end, its wait's end, or by when it has to start.
local DEADLINES = PREFIX .. 'deadlines'
local OWNERS = PREFIX .. 'owners' -- who has an index, by when it was last pruned

local function job_key(id, part) return PREFIX .. '{' .. id .. '}:' .. part end
local function owner_key(owner) return PREFIX .. 'owner:' .. owner end
local function active_key(owner) return PREFIX .. 'active:' .. owner end
local function feed_channel(owner) return PREFIX .. 'feed:' .. owner end

local function ended(status) return SUCCESSORS[status] ~= nil and next(SUCCESSORS[status]) == nil end

-- Redis's own clock: hosts may disagree, scripts never do.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether a text is whole milliseconds, at most 3000 years: more would overflow dates and TTLs halfway through a script.
local function is_span(text) return #text <= 14 and string.find(text, '^%d+$') ~= nil end

-- Civil date from a day count (proleptic Gregorian, eras of 400 years beginning in March).
local function rfc3339(ms)
  local days, rest = math.floor(ms / 86400000), ms % 86400000
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, doy - math.floor((153 * mp + 2) / 5) + 1,
    math.floor(rest / 3600000), math.floor(rest / 60000) % 60, math.floor(rest / 1000) % 60, rest % 1000)
end

local NUMBERS = {
  seq = true, attempt = true, max_attempts = true, progress = true, trimmed = true, ttl = true, timeout = true,
  start_by = true, part = true, priority = true, due = true, started = true, begun = true, expires = true,
  percent = true, answers = true, wait_until = true, beat = true, beat_by = true, look = true, look_at = true,
}

local NEEDED = {'kind', 'owner', 'queue', 'seq', 'attempt', 'max_attempts', 'timeout', 'ttl', 'created', 'updated'}

-- The record as a table, or nil where there is none, or no whole one, or something else has come to lie in its place or
-- in that of its log: what is no job must not stop the others. Numbers are numbers; what is absent is nil.
local function load_job(id)
  local flat, log = redis.pcall('HGETALL', job_key(id, 'job')), redis.call('TYPE', job_key(id, 'events')).ok
  if #flat == 0 or (log ~= 'stream' and log ~= 'none') then return nil end
  local job = {id = id}
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if NUMBERS[name] then value = tonumber(value) end
    job[name] = value
  end
  for i = 1, #NEEDED do if not job[NEEDED[i]] then return nil end end
  return SUCCESSORS[job.status] and job
end

-- Set fields of the record; nil (given as false) removes one. `set` are those of a new one, names and values in turn.
local function store(job, changes, set)
  local set, removed = set or {}, {}
  for name, value in pairs(changes) do
    job[name] = value or nil
    if value then set[#set + 1] = name; set[#set + 1] = value else removed[#removed + 1] = name end
  end
  if #set > 0 then redis.call('HSET', job_key(job.id, 'job'), unpack(set)) end
  if #removed > 0 then redis.call('HDEL', job_key(job.id, 'job'), unpack(removed)) end
end

-- So many entries go, the oldest behind `seen` first, but none of the types that are spared. How many are still too many.
local function drop(job, excess, seen, spared)
  local log = job_key(job.id, 'events')
  while excess > 0 do
    local entries = redis.call('XRANGE', log, '(' .. seen .. '-0', '+', 'COUNT', 128)
    if #entries == 0 then break end
    for _, entry in ipairs(entries) do
      if excess <= 0 then break end
      seen = tonumber(string.match(entry[1], '^%d+'))
      if not spared[entry[2][2]] then
        redis.call('XDEL', log, entry[1])
        job.trimmed, excess = math.max(job.trimmed or 0, seen), excess - 1
      end
    end
  end
  return excess
end

-- Down to `most`, lifecycle last, and of that a quarter at once: that nothing else is left takes a walk to find out.
-- `trimmed` tells readers from where on the log is whole.
local function trim(job, most)
  if job.seq <= most then return end
  local excess = redis.call('XLEN', job_key(job.id, 'events')) - most
  if excess <= 0 then return end
  local lifecycle = drop(job, excess, job.trimmed or 0, KEPT)
  if lifecycle > 0 then drop(job, lifecycle + math.floor(most / 4), 0, {}) end
  store(job, {trimmed = job.trimmed})
end

-- One numbered event: into the log (of progress only the latest stays), to the job's watchers, to the owner's feed. What
-- a webhook is to tell is noted, and queued by `save`, when the record is as the event has left it. Nobody watches a job
-- that nobody has been told of.
local function append(job, now, type, data)
  job.seq = job.seq + 1
  local log = job_key(job.id, 'events')
  redis.call('XADD', log, job.seq .. '-0', 't', type, 'a', now, 'd', data)
  if type == 'progress' then
    if job.progress then redis.call('XDEL', log, job.progress .. '-0') end
    job.progress = job.seq
  end
  local event = job.seq .. '\n' .. now .. '\n' .. type .. '\n' .. data
  if job.seq > 1 then redis.call('PUBLISH', PREFIX .. '{' .. job.id .. '}', event) end
  redis.call('PUBLISH', feed_channel(job.owner), job.id .. '\n' .. job.kind .. '\n' .. (job.tags or '') .. '\n' .. event)
  if job.hooks and string.find(job.hooks, ',' .. type .. ',', 1, true) then
    job.untold = job.untold or {}
    table.insert(job.untold, {seq = job.seq, at = now, type = type, data = data})
  end
end

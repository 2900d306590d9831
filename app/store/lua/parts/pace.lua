-- How long runs of a kind take, and so how long a job is going to take.
local WEEK_MS = 604800000
local LONGEST_MS = 100 * 365 * 86400000
local REMEMBERED = 32
local SURE_PERCENT, SURE_MS = 1, 1000 -- from where on a progress tells the speed

local function pace_key(kind) return PREFIX .. 'pace:' .. kind end

-- What is known of a kind: the median and the ninth decile, then the latest times, latest first. Garbage is nothing.
local function pace_of(kind)
  local text = redis.pcall('GET', pace_key(kind))
  local p50, p90, times = string.match(type(text) == 'string' and text or '', '^(%d+) (%d+) (%d[%d ]*)$')
  return tonumber(p50), tonumber(p90), times
end

-- A run has completed: its time joins the latest of its kind, behind their median and their ninth decile.
local function note_pace(kind, ms)
  local times, sorted = {ms}, {ms}
  local _, _, known = pace_of(kind)
  for text in string.gmatch(known or '', '%d+') do
    if #times == REMEMBERED then break end
    times[#times + 1], sorted[#sorted + 1] = text, tonumber(text)
  end
  table.sort(sorted)
  local function decile(n) return sorted[math.ceil(#sorted * n / 10)] end
  local text = string.format('%d %d %s', decile(5), decile(9), table.concat(times, ' '))
  redis.call('SET', pace_key(kind), text, 'PX', WEEK_MS)
end

-- A handler may say anything; replies hold whole numbers only.
local function whole(ms) return ms and math.floor(math.min(ms, LONGEST_MS)) end

-- Milliseconds a job will take from now to its end, as half and as nine tenths of the latest of its kind would; nil where
-- nothing is known. `told` is its latest estimate of its own, if there is one: {eta_seconds, at}.
local function estimate(job, now, place, told)
  local p50, p90 = pace_of(job.kind)
  if job.status == 'pending' and p50 and not job.suspended then
    local ahead = (place or 0) / math.max(1, tonumber(redis.call('HGET', COUNTS, 'queue:' .. job.queue) or 0))
    local till_due = math.max(0, (job.due or 0) - now)
    return whole(till_due + ahead * p50 + p50), whole(till_due + ahead * p90 + p90)
  elseif job.status ~= 'processing' or job.waiting or not job.begun then
    return nil
  end
  local spent, left = now - job.begun, nil
  if told and told.at >= job.begun then -- not by an earlier attempt
    left = math.max(0, told.eta_seconds * 1000 - (now - told.at))
  elseif p50 then
    left = p50 - spent > 0 and p50 - spent or p90 - spent > 0 and p90 - spent or nil
  end
  return whole(left), whole(left and p90 and math.max(left, p90 - spent) or left)
end

-- A progress with the time left put in where the handler has not said it: the rest at the speed so far.
local function with_eta(job, now, data)
  local percent, spent = tonumber(string.match(data, '^{"percent":([%d.]+)')), job.begun and now - job.begun or 0
  if not percent or percent < SURE_PERCENT or percent >= 100 or spent < SURE_MS then return data end
  if string.find(data, '"eta_seconds":', 1, true) then return data end
  local left = spent * (100 - percent) / percent / 1000
  return string.sub(data, 1, -2) .. string.format(',"eta_seconds":%.1f}', left)
end

-- read: a job as it stands, in one moment. Writes nothing.
-- ARGV: id, 'result' or '' (leave a large result out), and for the log: the seq after which, or ''.
-- Returns {} for an unknown job, else {record, result, last event, progress, artifacts, position, now, events}

local id, with_result, after = ARGV[1], ARGV[2] ~= '', ARGV[3]
local job = load_job(id)
if not job then return {} end
local log = job_key(id, 'events')

local function event(seq)
  local entry = seq and redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  return entry and entry[2][6] or false
end

local now, position = now_ms(), false
if job.status == 'pending' and tonumber(job.due or 0) <= now then
  position = redis.call('ZRANK', queue_key(job.queue), id)
end

return {
  redis.call('HGETALL', job_key(id, 'job')),
  ended(job.status) and with_result and redis.call('GET', job_key(id, 'result')) or false,
  ended(job.status) and event(job.seq) or false,
  event(job.progress),
  redis.call('HVALS', job_key(id, 'artifacts')),
  position,
  now,
  after ~= '' and redis.call('XRANGE', log, '(' .. after .. '-0', '+') or {},
}

-- purge: an ended job is forgotten at once. Its files are listed for the sweeper.
-- ARGV: id. Returns 'ok' | 'unknown' | 'illegal'

local job = load_job(ARGV[1])
if not job then return 'unknown' end
if not ended(job.status) then return 'illegal' end
if redis.call('EXISTS', job_key(job.id, 'artifacts')) == 1 then redis.call('ZADD', EXPIRING, 0, job.id) end
redis.call('ZREM', owner_key(job.owner), job.id)
if job.batch then redis.call('ZREM', batch_key(job.batch, 'jobs'), job.id) end
for _, part in ipairs({'job', 'events', 'artifacts', 'params', 'result', 'deliveries'}) do
  redis.call('DEL', job_key(job.id, part))
end
return 'ok'

-- How a job that has failed or was cancelled comes to life again, alone or with the failed of its batch.
local function again(job, now, by, payload, most_of_owner, most_of_all)
  if job.status ~= 'failed' and job.status ~= 'cancelled' then return 'illegal' end
  if (job.expires or 0) <= now or redis.call('EXISTS', job_key(job.id, 'params')) == 0 then return 'expired' end
  local full = is_full(job.owner, 1, most_of_owner, most_of_all)
  if full then return full end
  for _, part in ipairs({'job', 'events', 'artifacts', 'params'}) do redis.call('PERSIST', job_key(job.id, part)) end
  if job.hooks then redis.call('PERSIST', job_key(job.id, 'deliveries')) end
  redis.call('ZREM', EXPIRING, job.id)
  enlist(job, now, payload)
  append(job, now, 'pending', '{"reason":"retry","by":' .. cjson.encode(by) .. '}')
  enqueue(job, now, now, {
    attempt = 0, started = false, finished = false, expires = false, cancel = false, cancel_by = false,
  })
  return 'ok'
end

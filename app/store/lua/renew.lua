-- renew: the heartbeat. Leases of the runs that are still this worker's are moved on; the reply names the others.
-- ARGV: lease ms, then id and token of each run. Returns {ids lost, ids to be cancelled}

local due = now_ms() + tonumber(ARGV[1])
local lost, cancelled = {}, {}
for i = 2, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local job = redis.pcall('HMGET', job_key(id, 'job'), 'token', 'cancel') -- an error is no token
  if job[1] ~= token then
    lost[#lost + 1] = id
  else
    redis.call('ZADD', DEADLINES, due, id) -- also where the entry got lost: the token says that the run is live
    if job[2] then cancelled[#cancelled + 1] = id end
  end
end
return {lost, cancelled}

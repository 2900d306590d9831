-- place: jobs that are watched while they wait. ARGV: their ids. Returns how many were told of a new position

local now, told = now_ms(), 0
for _, id in ipairs(ARGV) do
  local job = load_job(id)
  local place = job and job.status == 'pending' and position(job)
  if place and tell_position(job, now, place, (estimate(job, now, place))) then told = told + 1 end
end
return told

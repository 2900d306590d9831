-- sweep: settles what is overdue, where no worker is left to do so with its claim.
-- ARGV: most jobs to settle. Returns how many were settled

return settle_overdue(now_ms(), tonumber(ARGV[1]))

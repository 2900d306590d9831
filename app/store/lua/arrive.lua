-- arrive: an upload is begun, unless its owner, or the key it comes with, begins too many.
-- ARGV: owner, most a minute, the key, most a minute of that (0: as of its owner).
-- Returns {allowed 1 | 0, uploads left, ms until one more}

local per_minute, per_minute_of_key = tonumber(ARGV[2]), tonumber(ARGV[4])
local allowed, left, next_ms = take_both('arrivals', ARGV[1], per_minute, ARGV[3], per_minute_of_key, now_ms(), 1)
return {allowed and 1 or 0, left, next_ms}

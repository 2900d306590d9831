-- begin: an upload that will come in several requests is made known, unless its owner has too many that have not ended.
-- ARGV: id, owner, bytes, record, ms to live, most of an owner, most bytes of an owner.
-- Returns when it expires, 0 where there are too many.

local id, owner, bytes, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), now_ms()
local mine = PREFIX .. 'promised:' .. owner
redis.call('ZREMRANGEBYSCORE', mine, '-inf', now)
local promised = redis.call('ZRANGE', mine, 0, -1) -- no more than are allowed
for _, promise in ipairs(promised) do bytes = bytes + tonumber(string.match(promise, ':(%d+)$')) end
if #promised >= tonumber(ARGV[6]) or bytes > tonumber(ARGV[7]) then return 0 end

local expires_at = now + tonumber(ARGV[5])
redis.call('SET', PREFIX .. 'unfinished:' .. id, ARGV[4], 'PXAT', expires_at)
redis.call('ZADD', PREFIX .. 'unfinished', expires_at, id)
redis.call('ZADD', mine, expires_at, id .. ':' .. ARGV[3])
redis.call('PEXPIREAT', mine, expires_at, 'NX')
redis.call('PEXPIREAT', mine, expires_at, 'GT')
return expires_at

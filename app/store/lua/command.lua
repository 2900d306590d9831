-- command: all jobs of a batch that have not ended are to be cancelled, or all that have failed to be run again. That is
-- written down here, and done by `chore`. Repeats change nothing.
-- ARGV: id, owner, 'cancel' | 'retry', most live jobs of an owner, most of all, by whom.
-- Returns 'ok' | 'unknown' | 'illegal' | 'expired' | 'queue_full' | 'store_full'

local id, owner, key, now = ARGV[1], ARGV[2], batch_key(ARGV[1]), now_ms()
local batch = redis.call('HMGET', key, 'owner', 'status', 'failed', 'expires', 'cancel_from', 'retry_from')
local status, failed, expires, cancelling, retrying = batch[2], batch[3], batch[4], batch[5], batch[6]
if batch[1] ~= owner then return 'unknown' end

if ARGV[3] == 'cancel' then
  if cancelling or status == 'completed' then return 'ok' end
  redis.call('HSETNX', key, 'cancel', now)
  redis.call('HSET', key, 'cancel_from', 0)
  redis.call('HDEL', key, 'retry_from') -- what was to be run again stays as it is
else
  if retrying then return 'ok' end
  if tonumber(failed) == 0 then return 'illegal' end
  if expires and tonumber(expires) <= now then return 'expired' end
  local full = is_full(owner, tonumber(failed), tonumber(ARGV[4]), tonumber(ARGV[5]))
  if full then return full end
  redis.call('HSET', key, 'retry_from', 0)
end
redis.call('HSET', key, 'by', ARGV[6])
weigh(id, now)
redis.call('ZADD', CHORES, now, id)
note_change(id, now)
return 'ok'

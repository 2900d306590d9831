-- What was answered to a request of the same idempotency key: asked before, and written with, what is accepted.

-- With the owner's length, as both may hold any character: no two owners share a key.
local function idempotency_key(owner, key) return PREFIX .. 'idem:' .. #owner .. ':' .. owner .. ':' .. key end

-- The reply to a repeat; nil for what comes for the first time, or has no key.
local function recall(owner, key, fingerprint)
  if key == '' then return nil end
  local earlier = redis.call('HMGET', idempotency_key(owner, key), 'id', 'fingerprint', 'answer')
  if not earlier[1] then return nil end
  if earlier[2] ~= fingerprint then return {'conflict', earlier[1]} end
  return {'replayed', earlier[1], unpack(cjson.decode(earlier[3]))}
end

local function remember(owner, key, fingerprint, ttl, id, answer)
  if key == '' then return end
  local name = idempotency_key(owner, key)
  redis.call('HSET', name, 'id', id, 'fingerprint', fingerprint, 'answer', cjson.encode(answer))
  redis.call('PEXPIRE', name, ttl)
end

-- list: which jobs come next in the list of all owners, newest first. Writes nothing.
-- ARGV: the place to go on from, as moment and id, how many, after which moment, most owners.
-- Returns ids and moments in turn; fewer than asked for where there are no more.

local moment, id, most, since = ARGV[1], ARGV[2], tonumber(ARGV[3]), '(' .. ARGV[4]

local function comes_first(one, other)
  if one[1] ~= other[1] then return one[1] > other[1] end
  return one[2] > other[2]
end

local function between(index, latest, oldest, n)
  return redis.call('ZREVRANGEBYSCORE', index, latest, oldest, 'WITHSCORES', 'LIMIT', 0, n)
end

-- The next of an owner's, up to so many. Of the moment itself those with a lower id, of which few share it, come first.
local function following(owner, oldest, n)
  local index, found = owner_key(owner), {}
  local function add(flat)
    for i = 1, #flat, 2 do found[#found + 1] = {tonumber(flat[i + 1]), flat[i], owner} end
  end
  local next = between(index, moment, oldest, n)
  if not next[2] or tonumber(next[2]) < tonumber(moment) then
    add(next)
    return found
  end
  for _, peer in ipairs(redis.call('ZREVRANGEBYSCORE', index, moment, moment)) do
    if peer < id then add({peer, moment}) end
  end
  add(between(index, '(' .. moment, oldest, n))
  return found
end

-- Only owners whose first is among the firsts can have any of the next, and none that is older than the last of these.
local firsts = {}
for _, owner in ipairs(redis.call('ZRANGE', OWNERS, 0, ARGV[5] - 1)) do firsts[#firsts + 1] = following(owner, since, 1)[1] end
table.sort(firsts, comes_first)
local oldest = firsts[most] and string.format('%d', firsts[most][1]) or since

local places = {}
for i = 1, math.min(#firsts, most) do
  for _, place in ipairs(following(firsts[i][3], oldest, most)) do places[#places + 1] = place end
end
table.sort(places, comes_first)

local reply = {}
for i = 1, math.min(#places, most) do
  reply[#reply + 1] = places[i][2]
  reply[#reply + 1] = string.format('%d', places[i][1])
end
return reply

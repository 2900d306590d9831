-- list: which jobs come next in the list of all owners, newest first. Writes nothing. Only of those owners whose newest
-- are among the next can any be; so of each owner the next is looked at, and more of few.
-- ARGV: the place to go on from, as moment and id, how many, after which moment, most owners.
-- Returns ids and moments in turn; fewer than asked for where there are no more.

local moment, id, most, since = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

local function comes_first(one, other)
  if one[1] ~= other[1] then return one[1] > other[1] end
  return one[2] > other[2]
end

-- Of the moment itself those with a lower id, then the older ones.
local function following(owner, most)
  local index, found = owner_key(owner), {}
  local peers = redis.call('ZREVRANGEBYSCORE', index, moment, moment) -- few share a millisecond
  for _, peer in ipairs(peers) do
    if peer < id then found[#found + 1] = {tonumber(moment), peer, owner} end
  end
  local older = redis.call('ZREVRANGEBYSCORE', index, '(' .. moment, '(' .. since, 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #older, 2 do found[#found + 1] = {tonumber(older[i + 1]), older[i], owner} end
  return found
end

local firsts = {}
for _, owner in ipairs(redis.call('ZRANGE', OWNERS, 0, ARGV[5] - 1)) do firsts[#firsts + 1] = following(owner, 1)[1] end
table.sort(firsts, comes_first)

local places = {}
for i = 1, math.min(#firsts, most) do
  for _, place in ipairs(following(firsts[i][3], most)) do places[#places + 1] = place end
end
table.sort(places, comes_first)

local reply = {}
for i = 1, math.min(#places, most) do
  reply[#reply + 1] = places[i][2]
  reply[#reply + 1] = string.format('%d', places[i][1])
end
return reply

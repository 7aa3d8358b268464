-- Claims tasks for one worker: due ones become ready, ready ones are taken, in the order of the queues; none
-- of a queue that is paused, and no more than the limits of a queue and of keys let start.
-- KEYS[1] workers:<node>  set of the worker ids that may claim    KEYS[2] claims:<worker> hash id -> token
-- KEYS[3] task  hash id -> envelope           KEYS[4] attempts  hash id -> fence:attempts:crashes
-- KEYS[5] paused  set of queues    KEYS[6] limits  hash queue -> max depth:concurrency:rate per s:burst:
--   k<concurrency:rate per s:burst of a key>: if keys have limits, publisher
-- KEYS[7..] for each queue: ready:<queue> list, due:<queue> zset, bell:<queue> list
--   The probe claims in the same way: suspect:<queue>, a zset that is never there, the suspects' bell.
-- The last 3 KEYS: unique hash key -> id, keyed hash id -> scope and key, cancels hash id -> ms:reason
-- Of a queue with limits also running:<queue>, rate:<queue> and flow:<queue> (see parts/limits.lua) and
-- claims:<worker> of others, and where its keys have limits those of parts/key_rooms.lua and parts/lines.lua, by
-- the prefix of KEYS[6]: so that no other queue pays for them. Suspects wait for no key. Of one of which
-- tasks came due also arrived, hash queue -> tasks that became ready.
-- ARGV[1] worker id    ARGV[2] now, ms of Redis's clock    ARGV[3] credit, tasks wanted in all (0 to 1000)
-- ARGV[4] tasks promoted per queue at most    ARGV[5..] for each queue: name, tasks taken from it at most
-- Returns {-1} when the worker is fenced off, else {ms of the next look (a task is due, or a limit may have
-- room) or 0, 1 if work is left, 2 if only what its limits hold back, ids without a task (dropped), name of a
-- queue whose keys are of another kind or '', {id, mark, ...} of those that are claimed to be cancelled, id,
-- token, envelope, ...}.
-- Cost: O(credit + promoted · log scheduled), 3 commands a queue and 10 more; what limits cost (see the parts), and
-- 1 command for each task taken of a queue whose concurrency is limited, 2 for one with a key's.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return { -1 } end
redis.call('HLEN', KEYS[3]) -- a key of another kind fails here or below, before the first write
local unique, keyed, cancels = unpack(KEYS, #KEYS - 2)
local marked, named = redis.call('HLEN', cancels) > 0, redis.call('HLEN', keyed) > 0
if named then redis.call('HLEN', unique) end
local held, tried = redis.call('HLEN', KEYS[2]), redis.call('HLEN', KEYS[4])
local now, credit, prefix = tonumber(ARGV[2]), tonumber(ARGV[3]), string.sub(KEYS[6], 1, -7)
local reply, ids, firsts, left, held_back = { 0, 0, 0, '', {} }, {}, {}, {}, {}
local paused, limits, by_key, rooms, running_of, key_running = {}, {}, {}, {}, {}, {}
local room_under, room_of, start, take_by_key -- made only where there are limits: no other claim pays for them

local function look_again(ms)
  if ms and (reply[1] == 0 or ms < reply[1]) then reply[1] = ms end
end
if redis.call('EXISTS', KEYS[5], KEYS[6], prefix .. 'holding') > 0 then
  local names = {}
  for a = 5, #ARGV, 2 do names[#names + 1] = ARGV[a] end
  paused, limits = redis.call('SMISMEMBER', KEYS[5], unpack(names)), redis.call('HMGET', KEYS[6], unpack(names))
  for i, lined in ipairs(redis.call('HMGET', prefix .. 'holding', unpack(names))) do
    by_key[i] = lined or limits[i] and string.find(limits[i], '^%d+:%d+:[%d.]+:%d+:k%d') or nil
  end
-- include parts/limits.lua
  if next(by_key) then
-- include parts/limit_key.lua
-- include parts/lines.lua
-- include parts/key_rooms.lua
-- include parts/key_leavings.lua
-- include parts/key_limits.lua
  end
end

for i = 1, (#KEYS - 9) / 3 do
  local ready, due, bell = KEYS[4 + 3 * i], KEYS[5 + 3 * i], KEYS[6 + 3 * i]
  local queue, cap = ARGV[3 + 2 * i], tonumber(ARGV[4 + 2 * i])
  local waiting, head = redis.pcall('LLEN', ready), redis.pcall('ZRANGE', due, 0, 0, 'WITHSCORES')
  local keyed_too = by_key[i] and ready == prefix .. 'ready:' .. queue
  if type(waiting) == 'table' or head.err or keyed_too and type(redis.pcall('ZCARD', prefix .. 'heldkeys:' .. queue)) == 'table' then
    reply[4] = queue
  elseif paused[i] ~= 1 then
    if head[1] and tonumber(head[2]) <= now then
      local ripe = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[4])
      redis.call('ZREM', due, unpack(ripe))
      waiting = redis.call('RPUSH', ready, unpack(ripe))
      redis.pcall('HINCRBY', prefix .. 'arrived', queue, #ripe)
      head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
    end
    look_again(tonumber(head[2]))
    if keyed_too then waiting = waiting + (tonumber(redis.call('HGET', prefix .. 'holding', queue)) or 0) end
    local room = limits[i] and waiting > 0
      and (rooms[queue] or room_of(queue, limits[i], math.max(1, math.min(credit + 1, waiting))))
    local open = room and math.min(waiting, room.free) or waiting
    local take = math.min(credit, cap, open)
    local first, more, again = '1:0:0:' .. queue, true, nil -- the token of a first attempt
    if take > 0 and keyed_too then
      take, more, again = take_by_key(queue, ready, limits[i], take, room, first)
    elseif take > 0 then
      for _, id in ipairs(redis.call('LPOP', ready, take)) do
        ids[#ids + 1], firsts[#ids + 1] = id, first
        if room then running_of[id] = room.running end
      end
    end
    credit = credit - take
    if room and take > 0 then
      room.free = room.free - take
      start(room, take)
    end
    -- A queue may be asked twice: what is left of it the last time counts.
    left[queue] = open > take and more and bell or nil
    held_back[queue] = not left[queue] and waiting > take and (open <= take and room or { again = again }) or nil
  end
end
for _, room in pairs(held_back) do -- nobody else may take these either: the bell is left alone
  reply[2] = 2
  look_again(room.again)
end
for _, bell in pairs(left) do
  reply[2] = 1
  if redis.pcall('LLEN', bell) == 0 then redis.pcall('RPUSH', bell, 1) end -- refused: Redis is full
end
if #ids == 0 then return reply end
local envelopes = redis.call('HMGET', KEYS[3], unpack(ids))
local counts = tried > 0 and redis.call('HMGET', KEYS[4], unpack(ids)) or {}
local noted, n = {}, #reply
for i, id in ipairs(ids) do
  if envelopes[i] then
    local token = firsts[i]
    if counts[i] then
      local fence, rest = string.match(counts[i], '^(%d+)(:%d+:%d+)$')
      token = string.format('%d%s:%s', (fence or 0) + 1, rest or ':0:0', string.sub(token, 7))
      local key = named and redis.call('HGET', keyed, id)
      if key and string.sub(key, 1, 1) == 's' then -- unique until it is started, which is now
        redis.call('HDEL', keyed, id)
        key = string.sub(key, 2)
        if redis.call('HGET', unique, key) == id then redis.call('HDEL', unique, key) end
      end
    end
    local mark = marked and redis.call('HGET', cancels, id)
    if mark then reply[5][#reply[5] + 1], reply[5][#reply[5] + 2] = id, mark end
    noted[#noted + 1], noted[#noted + 2] = id, token
    reply[n + 1], reply[n + 2], reply[n + 3], n = id, token, envelopes[i], n + 3
  else
    reply[3] = reply[3] + 1
  end
end
-- include parts/noting.lua
return reply

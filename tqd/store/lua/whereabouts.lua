-- Tells where a task is, in one moment, and mends what is wrong with it. For `tqd doctor --audit`.
-- KEYS[1] task  hash id -> envelope     KEYS[2] attempts  hash id -> counts
-- KEYS[3] failure  hash id -> record    KEYS[4] dead  zset id -> ms
-- KEYS[5] ready:<queue>, KEYS[6] bell:<queue>: where it goes when it is nowhere
-- KEYS[7] nodes  zset node -> ms   KEYS[8] lost  set of worker ids   KEYS[9] errors  hash id -> errors
-- KEYS[10..] every other place that is known: lists, zsets, hashes
-- ARGV[1] id    ARGV[2] the keys' prefix    ARGV[3] 1: mend; 0: look, write nothing    ARGV[4] now, ms
-- Returns {1 if it has a payload, 1 if a record, 1 if counts or errors, what was done or '', place, times, ...}.
-- Finds the claims of all workers by nodes and workers:<node>: none of them is too new to be known.
-- Cost: O(length of the lists + workers), 3 commands a place.
local id, prefix, done, found, seen = ARGV[1], ARGV[2], {}, {}, {}
local function look(key)
  local kind = not seen[key] and redis.call('TYPE', key).ok
  local times, rank = 0, 3
  seen[key] = true
  if kind == 'list' then
    times = #redis.call('LPOS', key, id, 'COUNT', 0)
  elseif kind == 'zset' then
    times, rank = redis.call('ZSCORE', key, id) and 1 or 0, 2
  elseif kind == 'hash' then
    local token = redis.call('HGET', key, id)
    times, rank = token and 1 or 0, 10 + (tonumber(string.match(token or '', '^%d+')) or 0)
  end
  if times > 0 then found[#found + 1] = { key = key, kind = kind, times = times, rank = rank } end
end
-- include parts/lines.lua
local function take(place, times)
  if place.kind == 'list' then redis.call('LREM', place.key, -times, id)
  else redis.call(place.kind == 'zset' and 'ZREM' or 'HDEL', place.key, id) end
  if string.find(place.key, prefix .. 'held:', 1, true) == 1 then line_shortened(prefix, place.key, times) end
  done[#done + 1] = 'taken out of ' .. string.sub(place.key, #prefix + 1)
end
local function drop(key)
  if redis.call('HDEL', key, id) == 1 then done[#done + 1] = 'taken out of ' .. string.sub(key, #prefix + 1) end
end
for k = 4, #KEYS do if k < 6 or k > 9 then look(KEYS[k]) end end
for _, worker in ipairs(redis.call('SMEMBERS', KEYS[8])) do look(prefix .. 'claims:' .. worker) end
for _, node in ipairs(redis.call('ZRANGE', KEYS[7], 0, -1)) do
  for _, worker in ipairs(redis.call('SMEMBERS', prefix .. 'workers:' .. node)) do look(prefix .. 'claims:' .. worker) end
end
local payload, record = redis.call('HEXISTS', KEYS[1], id), redis.call('HEXISTS', KEYS[3], id)
local counts = math.max(redis.call('HEXISTS', KEYS[2], id), redis.call('HEXISTS', KEYS[9], id))
local reply = { payload, record, counts, '' }
for _, place in ipairs(found) do reply[#reply + 1], reply[#reply + 2] = string.sub(place.key, #prefix + 1), place.times end
if ARGV[3] ~= '1' then return reply end
-- A claim is kept before all else, the newest: its owner will settle it. Then a letter that can be replayed.
for _, place in ipairs(found) do if place.key == KEYS[4] then place.rank = record == 1 and 9 or 0 end end
table.sort(found, function(a, b) return a.rank > b.rank or (a.rank == b.rank and a.key < b.key) end)
for i, place in ipairs(found) do
  if i > 1 then take(place, place.times) elseif place.times > 1 then take(place, place.times - 1) end
end
local kept = found[1]
if kept and kept.key == KEYS[4] and record == 0 then take(kept, 1) kept = nil end
if kept and payload == 0 and kept.key ~= KEYS[4] and kept.kind ~= 'hash' then take(kept, kept.times) kept = nil end
if not kept and payload == 1 then
  redis.call('RPUSH', KEYS[5], id)
  if redis.call('LLEN', KEYS[6]) == 0 then redis.call('RPUSH', KEYS[6], 1) end
  kept, done[#done + 1] = { key = KEYS[5] }, 'put into ' .. string.sub(KEYS[5], #prefix + 1)
elseif not kept and record == 1 then
  redis.call('ZADD', KEYS[4], ARGV[4], id)
  kept, done[#done + 1] = { key = KEYS[4] }, 'put into dead'
end
if record == 1 and payload == 1 and kept.key ~= KEYS[4] then drop(KEYS[3]) end
if kept and kept.key == KEYS[4] then drop(KEYS[1]) end
if counts == 1 and (not kept or kept.key == KEYS[4]) then drop(KEYS[2]) drop(KEYS[9]) end
reply[4] = table.concat(done, ', ')
return reply

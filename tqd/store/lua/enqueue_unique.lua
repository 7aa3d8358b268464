-- Stores new tasks of one queue that have a unique key; where the key is taken, tells which task has it.
-- KEYS[1] producer:<id>u  string, number and answer of this producer's last stored call
-- KEYS[2] task      hash id -> envelope       KEYS[3] attempts  hash id -> fence:attempts:crashes
-- KEYS[4] errors    hash id -> errors         KEYS[5] cancels   hash id -> ms:reason
-- KEYS[6] unique    hash key -> id            KEYS[7] keyed     hash id -> scope (s or d) and key
-- KEYS[8] ready:<queue> list    KEYS[9] due:<queue> zset id -> ms    KEYS[10] bell:<queue> list
-- KEYS[11] limits hash queue -> max depth:...; of a queue with a depth also flow:<queue>, by its prefix; arrived;
-- of a task with a limit key that is to be replaced also the line in which it may wait (see parts/lines.lua)
-- ARGV[1] number of this call, rising by producer    ARGV[2] s that it is remembered
-- ARGV[3] ids of the ready list looked through from either end, for a task that is to be replaced
-- ARGV[4..] id, envelope, due ms (0: ready), scope and key, 1 to replace or 0, ... (1 to 1000 tasks)
-- Returns {id, new | duplicate | replaced, ...}: the id under which each task is; the same to a repeated call.
-- When the queue would hold more than its depth, nothing is stored: {tasks there, depth, flow or ''}.
-- A waiting task that is replaced keeps its id and gets the payload and the time; a claimed one is a duplicate.
-- Cost: O(tasks · log scheduled), 7 commands a task and 10 more; to replace a ready one O(ARGV[3]).
local last = redis.call('GET', KEYS[1])
if last then
  local number, answer = unpack(cmsgpack.unpack(last))
  if number >= tonumber(ARGV[1]) then return answer end
end
for k, size in pairs({ [2] = 'HLEN', [3] = 'HLEN', [4] = 'HLEN', [5] = 'HLEN', [6] = 'HLEN', [7] = 'HLEN', [8] = 'LLEN' }) do
  redis.call(size, KEYS[k]) -- a key of another kind fails here or in the next lines, before the first write
end
local ready, due, ringing = KEYS[8], KEYS[9], redis.call('LLEN', KEYS[10])
local prefix = string.sub(KEYS[11], 1, -7)
local queue = string.sub(ready, #prefix + 7)
-- include parts/limit_key.lua
-- include parts/lines.lua
local function line_of(envelope)
  local key = limit_key(envelope)
  return key and prefix .. 'held:' .. queue .. ':' .. key
end
local function next_due() return redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] end
local head, ring, answer, arrived = next_due(), false, {}, 0
local function waits(id) -- returns where; for a list also from which end it was found
  if redis.call('ZSCORE', due, id) then return due end
  for _, list in ipairs({ ready, line_of(redis.call('HGET', KEYS[2], id)) }) do
    for _, rank in ipairs({ 1, -1 }) do
      if type(redis.pcall('LPOS', list, id, 'RANK', rank, 'MAXLEN', ARGV[3])) == 'number' then return list, rank end
    end
  end
end
local function put(id, due_ms)
  if due_ms > 0 then redis.call('ZADD', due, due_ms, id) return end
  redis.call('RPUSH', ready, id) ring, arrived = true, arrived + 1
end
local depth = tonumber(string.match(redis.call('HGET', KEYS[11], queue) or '', '^(%d+):')) or 0
if depth > 0 then
  local waiting, fresh, seen = redis.call('LLEN', ready) + redis.call('ZCARD', due), 0, {}
  waiting = waiting + (tonumber(redis.call('HGET', prefix .. 'holding', queue)) or 0)
  for i = 4, #ARGV, 5 do
    local key = string.sub(ARGV[i + 3], 2)
    local other = redis.call('HGET', KEYS[6], key)
    if not seen[key] and not (other and redis.call('HEXISTS', KEYS[2], other) == 1) then fresh = fresh + 1 end
    seen[key] = true
  end
  if fresh > 0 and waiting + fresh > depth then
    return { waiting, depth, redis.call('GET', prefix .. 'flow:' .. queue) or '' }
  end
end
for i = 4, #ARGV, 5 do
  local id, due_ms, key = ARGV[i], tonumber(ARGV[i + 2]), string.sub(ARGV[i + 3], 2)
  local other = redis.call('HGET', KEYS[6], key)
  local there = other and redis.call('HEXISTS', KEYS[2], other) == 1 -- else it is of a task that has ended
  local place, rank
  if there and ARGV[i + 4] == '1' then place, rank = waits(other) end
  local word = not there and 'new' or place and 'replaced' or 'duplicate'
  if there then id = other end
  if word ~= 'duplicate' then
    redis.call('HSET', KEYS[2], id, ARGV[i + 1])
    -- Something is on record of it from the start, so that its end is told from that of a task without a key.
    local fence = there and string.match(redis.call('HGET', KEYS[3], id) or '', '^%d+') or '1'
    redis.call('HSET', KEYS[3], id, fence .. ':0:0')
    redis.call('HSET', KEYS[6], key, id)
    redis.call('HSET', KEYS[7], id, ARGV[i + 3])
  end
  if word == 'new' then
    if other then redis.call('HDEL', KEYS[7], other) end
    put(id, due_ms)
  elseif word == 'replaced' then
    redis.call('HDEL', KEYS[4], id)
    redis.call('HDEL', KEYS[5], id)
    -- Ready and ready: it keeps its turn, in a line when that is still its own.
    if due_ms > 0 or place ~= ready and place ~= line_of(ARGV[i + 1]) then
      if place == due then redis.call('ZREM', due, id) else redis.call('LREM', place, rank, id) end
      if place ~= due and place ~= ready then line_shortened(prefix, place, 1) end
      put(id, due_ms)
      if place ~= due and due_ms == 0 then arrived = arrived - 1 end -- it had arrived before
    end
  end
  answer[#answer + 1], answer[#answer + 2] = id, word
end
if arrived > 0 then redis.pcall('HINCRBY', prefix .. 'arrived', queue, arrived) end
redis.call('SET', KEYS[1], cmsgpack.pack({ tonumber(ARGV[1]), answer }), 'EX', ARGV[2])
if ringing == 0 and (ring or next_due() ~= head) then redis.call('RPUSH', KEYS[10], 1) end
return answer

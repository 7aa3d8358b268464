-- Stores new tasks of one queue and makes them ready.
-- KEYS[1] producer:<id>   string, the number of this producer's last stored call
-- KEYS[2] task            hash id -> envelope
-- KEYS[3] ready:<queue>   list of ids
-- KEYS[4] bell:<queue>    list, at most one token
-- KEYS[5] limits          hash queue -> max depth:...; of a queue with a depth also due:<queue>,
--                         holding and flow:<queue> are read, by the prefix of this key; arrived is written
-- ARGV[1] number of this call, rising by producer
-- ARGV[2] s that the producer's number is remembered
-- ARGV[3..] id, envelope, id, envelope, ... (1 to 1000 tasks)
-- Returns the number of tasks stored; 0 when this call was stored before (its reply was lost). When the
-- queue would hold more than its depth, ready (held back, too) and scheduled, nothing is stored: {tasks there, depth, flow or ''}.
-- Cost: O(tasks), 8 commands; 4 more when the queue has a depth.
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then
  return 0
end
local ids = {}
for i = 3, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local waiting = redis.call('LLEN', KEYS[3]) -- a key of another kind fails here, before the first write
local prefix = string.sub(KEYS[5], 1, -7)
local queue = string.sub(KEYS[3], #prefix + 7)
local depth = tonumber(string.match(redis.call('HGET', KEYS[5], queue) or '', '^(%d+):')) or 0
if depth > 0 then
  waiting = waiting + redis.call('ZCARD', prefix .. 'due:' .. queue)
    + (tonumber(redis.call('HGET', prefix .. 'holding', queue)) or 0)
  if waiting + #ids > depth then
    return { waiting, depth, redis.call('GET', prefix .. 'flow:' .. queue) or '' }
  end
end
local ringing = redis.call('LLEN', KEYS[4])
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('RPUSH', KEYS[3], unpack(ids))
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if ringing == 0 then
  redis.call('RPUSH', KEYS[4], 1)
end
redis.pcall('HINCRBY', prefix .. 'arrived', queue, #ids) -- a key of another kind stops no task
return #ids

-- Stores new tasks of one queue and makes them ready.
-- KEYS[1] producer:<id>   string, the number of this producer's last stored call
-- KEYS[2] task            hash id -> envelope
-- KEYS[3] ready:<queue>   list of ids
-- KEYS[4] bell:<queue>    list, at most one token
-- ARGV[1] number of this call, rising by producer
-- ARGV[2] s that the producer's number is remembered
-- ARGV[3..] id, envelope, id, envelope, ... (1 to 1000 tasks)
-- Returns the number of tasks stored; 0 when this call was stored before (its reply was lost).
-- Cost: O(tasks), 6 commands.
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then
  return 0
end
local ids = {}
for i = 3, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
redis.call('LLEN', KEYS[3]) -- a key of another kind fails here, before the first write
local ringing = redis.call('LLEN', KEYS[4])
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('RPUSH', KEYS[3], unpack(ids))
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if ringing == 0 then
  redis.call('RPUSH', KEYS[4], 1)
end
return #ids

-- Gives claimed tasks of one queue back to its head: a worker that stops, or a reclaim of a dead one's.
-- Suspects of a queue have a list and a bell of their own, and are given back to that in the same way.
-- KEYS[1] claims:<worker> hash id -> token
-- KEYS[2] attempts        hash id -> fence:attempts:crashes
-- KEYS[3] ready:<queue>   list of ids; or suspect:<queue>
-- KEYS[4] bell:<queue>    list, at most one token
-- ARGV: id, token, fence:attempts:crashes, ... (1 to 500 tasks), in the order in which they shall run
-- Returns the ids whose claim is not, or no longer, that worker's; they are left as they are.
-- Cost: O(tasks), 4 commands a task and 4 more.
redis.call('HLEN', KEYS[2]) redis.call('LLEN', KEYS[3]) -- a key of another kind fails before the first write
local lost = {}
for i = #ARGV - 2, 1, -3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
    redis.call('LPUSH', KEYS[3], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
if redis.call('LLEN', KEYS[3]) > 0 and redis.pcall('LLEN', KEYS[4]) == 0 then
  redis.pcall('RPUSH', KEYS[4], 1) -- refused when Redis is full and nothing was given back
end
return lost

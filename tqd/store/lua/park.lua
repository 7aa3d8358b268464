-- Puts claimed tasks aside whose name this worker does not know.
-- KEYS[1] claims:<worker> hash id -> token
-- KEYS[2] attempts        hash id -> fence:attempts:crashes
-- KEYS[3] parked:<name>   list of ids
-- ARGV: id, token, fence:attempts:crashes, ... (1 to 500 tasks)
-- Returns the ids whose claim is not, or no longer, this worker's; they are left as they are.
-- Cost: O(tasks), 4 commands a task and 2 more.
redis.call('HLEN', KEYS[2]) redis.call('LLEN', KEYS[3]) -- a key of another kind fails before the first write
local lost = {}
for i = 1, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
    redis.call('RPUSH', KEYS[3], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost

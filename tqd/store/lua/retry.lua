-- Sends claimed tasks of one queue back to be run at a later time.
-- KEYS[1] claims:<worker> hash id -> token
-- KEYS[2] attempts        hash id -> fence:attempts:crashes
-- KEYS[3] due:<queue>     zset id -> due ms
-- KEYS[4] bell:<queue>    list, at most one token
-- ARGV: id, token, due ms (Redis's clock), fence:attempts:crashes, ... (1 to 500 tasks)
-- Returns the ids whose claim is not, or no longer, this worker's; they are left as they are.
-- Rings when the queue's next due time has changed, so that a worker sets its timer anew.
-- Cost: O(tasks · log scheduled), 4 commands a task and 5 more.
redis.call('HLEN', KEYS[2]) -- a key of another kind fails here or in the next line, before the first write
local head = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
local lost = {}
for i = 1, #ARGV, 4 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 3])
    redis.call('ZADD', KEYS[3], ARGV[i + 2], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
if redis.call('ZRANGE', KEYS[3], 0, 0)[1] ~= head and redis.pcall('LLEN', KEYS[4]) == 0 then
  redis.pcall('RPUSH', KEYS[4], 1)
end
return lost

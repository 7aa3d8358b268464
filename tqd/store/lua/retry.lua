-- Sends claimed tasks of one queue back to be run at a later time.
-- KEYS[1] claims:<worker> hash id -> token
-- KEYS[2] attempts        hash id -> fence:attempts:crashes
-- KEYS[3] due:<queue>     zset id -> due ms
-- KEYS[4] bell:<queue>    list, at most one token
-- KEYS[5] errors          hash id -> errors of failed attempts, the newest first
-- KEYS[6] cancels         hash id -> ms:reason: such a task is due at once, as its next claim ends it
-- ARGV[1] tasks in errors at most; others keep none   ARGV[2] bytes of one task's errors at most
-- ARGV[3..] id, token, due ms (Redis's clock), fence:attempts:crashes, error or '', ... (1 to 500 tasks)
-- Returns the ids whose claim is not, or no longer, this worker's; they are left as they are.
-- Rings when the queue's next due time has changed, so that a worker sets its timer anew.
-- Cost: O(tasks · log scheduled), 6 commands a task and 7 more.
redis.call('HLEN', KEYS[2]) -- a key of another kind fails here or in the next line, before the first write
local head = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
local kept, marked, lost = redis.call('HLEN', KEYS[5]), redis.call('HLEN', KEYS[6]) > 0, {}
for i = 3, #ARGV, 5 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 3])
    local cancelled = marked and redis.call('HEXISTS', KEYS[6], ARGV[i]) == 1
    redis.call('ZADD', KEYS[3], cancelled and 1 or ARGV[i + 2], ARGV[i])
    local past = ARGV[i + 4] ~= '' and (redis.call('HGET', KEYS[5], ARGV[i]) or '')
    if past and (past ~= '' or kept < tonumber(ARGV[1])) then
      local errors = string.sub(ARGV[i + 4] .. past, 1, tonumber(ARGV[2]))
      kept = kept + redis.call('HSET', KEYS[5], ARGV[i], errors)
    end
  else
    lost[#lost + 1] = ARGV[i]
  end
end
if redis.call('ZRANGE', KEYS[3], 0, 0)[1] ~= head and redis.pcall('LLEN', KEYS[4]) == 0 then
  redis.pcall('RPUSH', KEYS[4], 1)
end
return lost

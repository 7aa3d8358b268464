-- Tells whether the lines of a queue are known and counted rightly, and mends it. For `tqd doctor --audit`.
-- KEYS[1] holding  hash queue -> tasks in all its lines    KEYS[2] heldkeys:<queue>  zset key -> ms
-- ARGV[1] queue    ARGV[2] 1: mend; 0: look, write nothing    ARGV[3] the lines' names without the key
-- ARGV[4..] limit keys whose lines were found; those in KEYS[2] are looked at as well
-- Returns 1 when it is, or was, wrong: a line is not known, one that is known is empty, or the count is another.
-- Cost: O(keys), 3 commands a key and 4 more.
local total, wrong, seen, mend = 0, false, {}, ARGV[2] == '1'
local function look(key)
  if seen[key] then return end
  seen[key] = true
  local long, known = redis.call('LLEN', ARGV[3] .. key), redis.call('ZSCORE', KEYS[2], key)
  total = total + long
  if (long > 0) == (known and true or false) then return end
  wrong = true
  if mend and long > 0 then redis.call('ZADD', KEYS[2], 0, key) end
  if mend and long == 0 then redis.call('ZREM', KEYS[2], key) end
end
for _, key in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do look(key) end
for i = 4, #ARGV do look(ARGV[i]) end
local count = redis.call('HGET', KEYS[1], ARGV[1])
if total ~= (tonumber(count) or 0) or (count and total == 0) then
  wrong = true
  if mend and total > 0 then redis.call('HSET', KEYS[1], ARGV[1], total) end
  if mend and total == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
end
return wrong and 1 or 0

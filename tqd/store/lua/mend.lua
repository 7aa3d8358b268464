-- Tells whether one key is still wrong, and mends it. For `tqd doctor --audit`.
-- KEYS[1] the key       KEYS[2] lost  set of worker ids     KEYS[3] nodes  zset node -> ms
-- KEYS[4..] workers:<node> sets that are known
-- ARGV[1] claims | bell | endless: what the key is    ARGV[2] 1: mend; 0: look, write nothing
-- ARGV[3] the keys' prefix
-- ARGV[4] of claims: their worker; of an endless key: s after which it shall expire
-- Returns 1 when it is, or was, wrong: claims of a worker that is in no set, more than one token, no end.
-- Cost: O(nodes), 1 command a node and 4 more.
local kind, mend, wrong = ARGV[1], ARGV[2] == '1', false
if kind == 'claims' then
  wrong = redis.call('HLEN', KEYS[1]) > 0 and redis.call('SISMEMBER', KEYS[2], ARGV[4]) == 0
  for k = 4, #KEYS do wrong = wrong and redis.call('SISMEMBER', KEYS[k], ARGV[4]) == 0 end
  for _, node in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    wrong = wrong and redis.call('SISMEMBER', ARGV[3] .. 'workers:' .. node, ARGV[4]) == 0
  end
  if wrong and mend then redis.call('SADD', KEYS[2], ARGV[4]) end -- a keeper takes its tasks back
elseif kind == 'bell' then
  wrong = redis.call('LLEN', KEYS[1]) > 1
  if wrong and mend then redis.call('LTRIM', KEYS[1], 0, 0) end
else
  wrong = redis.call('PTTL', KEYS[1]) == -1
  if wrong and mend then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
end
return wrong and 1 or 0

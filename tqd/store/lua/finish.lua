-- Ends one task that is done, keeps its result and tells whoever waits for it.
-- KEYS[1] claims:<worker> hash id -> token
-- KEYS[2] task            hash id -> envelope
-- KEYS[3] attempts        hash id -> fence:attempts:crashes
-- KEYS[4] result:<id>     string; also the name of the channel on which the record is published
-- KEYS[5] errors          hash id -> errors of failed attempts
-- KEYS[6] unique  hash key -> id    KEYS[7] keyed  hash id -> scope and key
-- KEYS[8] cancels  hash id -> ms:reason
-- ARGV[1] id              ARGV[2] token
-- ARGV[3] ms that the result is kept (> 0)
-- ARGV[4] result record
-- Returns {} when done, {id} when the claim is not, or no longer, this worker's.
-- Cost: O(1), 9 commands, and 3 when it has a unique key.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return { ARGV[1] }
end
-- The claim goes after the others: when a key is of another kind, the task stays claimed.
redis.call('HLEN', KEYS[6])
local held = redis.call('HGET', KEYS[7], ARGV[1])
if held then
  redis.call('HDEL', KEYS[7], ARGV[1])
  local key = string.sub(held, 2)
  if redis.call('HGET', KEYS[6], key) == ARGV[1] then redis.call('HDEL', KEYS[6], key) end
end
redis.call('HDEL', KEYS[8], ARGV[1])
redis.call('HDEL', KEYS[5], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[3])
redis.call('PUBLISH', KEYS[4], ARGV[4])
return {}

-- Makes one claimed task a dead letter, and tells whoever waits for its result.
-- KEYS[1] claims:<worker> hash id -> token       KEYS[2] task  hash id -> envelope
-- KEYS[3] attempts        hash id -> fence:attempts:crashes
-- KEYS[4] dead            zset id -> ms          KEYS[5] failure  hash id -> record
-- KEYS[6] result:<id>     string; also the channel on which the result record is published
-- KEYS[7] errors          hash id -> errors of failed attempts, the newest first
-- KEYS[8] unique  hash key -> id    KEYS[9] keyed  hash id -> scope and key
-- KEYS[10] cancels  hash id -> ms:reason
-- ARGV[1] id              ARGV[2] token
-- ARGV[3] now, ms of Redis's clock
-- ARGV[4] dead letters kept at most (the oldest go first, at most 10 a call)
-- ARGV[5] failure record without its last field: payload, errors of the last attempt, attempts
--         The last field, msgpack bytes, is what KEYS[7] has of the attempts before
-- ARGV[6] ms that the result record is kept; 0: nobody asked for a result
-- ARGV[7] result record
-- Returns {} when buried, {id} when the claim is not, or no longer, this worker's.
-- Cost: O(log dead), 22 commands, 3 when it has a unique key, and 1 for each letter that goes.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return { ARGV[1] }
end
for k = 2, #KEYS do
  if k ~= 6 then redis.call(k == 4 and 'ZCARD' or 'HLEN', KEYS[k]) end -- a key of another kind fails here, before the first write
end
local past = redis.call('HGET', KEYS[7], ARGV[1]) or ''
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[5], ARGV[1], ARGV[5] .. struct.pack('>BI4', 198, #past) .. past)
redis.call('HDEL', KEYS[7], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
local held = redis.call('HGET', KEYS[9], ARGV[1])
if held then
  redis.call('HDEL', KEYS[9], ARGV[1])
  local key = string.sub(held, 2)
  if redis.call('HGET', KEYS[8], key) == ARGV[1] then redis.call('HDEL', KEYS[8], key) end
end
redis.call('HDEL', KEYS[10], ARGV[1])
local excess = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[4])
if excess > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[4], math.min(excess, 10))
  for i = 1, #oldest, 2 do
    redis.call('HDEL', KEYS[5], oldest[i])
  end
end
if tonumber(ARGV[6]) > 0 then
  redis.call('SET', KEYS[6], ARGV[7], 'PX', ARGV[6])
  redis.call('PUBLISH', KEYS[6], ARGV[7])
end
return {}

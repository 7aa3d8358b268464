-- Makes one claimed task a dead letter, and tells whoever waits for its result.
-- KEYS[1] claims:<worker> hash id -> token       KEYS[2] task  hash id -> envelope
-- KEYS[3] attempts        hash id -> fence:attempts:crashes
-- KEYS[4] dead            zset id -> ms          KEYS[5] failure  hash id -> record
-- KEYS[6] result:<id>     string; also the channel on which the result record is published
-- KEYS[7] errors          hash id -> errors of failed attempts, the newest first
-- ARGV[1] id              ARGV[2] token
-- ARGV[3] now, ms of Redis's clock
-- ARGV[4] dead letters kept at most (the oldest go first, at most 10 a call)
-- ARGV[5] failure record without its last field: payload, errors of the last attempt, attempts
--         The last field, msgpack bytes, is what KEYS[7] has of the attempts before
-- ARGV[6] ms that the result record is kept; 0: nobody asked for a result
-- ARGV[7] result record
-- Returns {} when buried, {id} when the claim is not, or no longer, this worker's.
-- Cost: O(log dead), 17 commands, and 1 for each letter that goes.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return { ARGV[1] }
end
for k, size in pairs({ [2] = 'HLEN', [3] = 'HLEN', [4] = 'ZCARD', [5] = 'HLEN', [7] = 'HLEN' }) do
  redis.call(size, KEYS[k]) -- a key of another kind fails here, before the first write
end
local past = redis.call('HGET', KEYS[7], ARGV[1]) or ''
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[5], ARGV[1], ARGV[5] .. struct.pack('>BI4', 198, #past) .. past)
redis.call('HDEL', KEYS[7], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
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

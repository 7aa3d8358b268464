-- Removes the oldest dead letters: those beyond a number, and those beyond an age.
-- KEYS[1] dead     zset id -> ms
-- KEYS[2] failure  hash id -> record
-- ARGV[1] letters kept at most
-- ARGV[2] ms of Redis's clock: letters of an earlier time go; 0: none goes for its age
-- ARGV[3] letters removed by this call at most (1 to 500)
-- Returns the number removed; as many as were allowed means that there may be more.
-- Cost: O(removed · log dead), 5 commands.
local most = tonumber(ARGV[3])
redis.call('HLEN', KEYS[2]) -- a key of another kind fails here, before the first write
local number = math.min(most, math.max(0, redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])))
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, most)
number = math.max(number, #old)
if number == 0 then return 0 end
local ids = redis.call('ZRANGE', KEYS[1], 0, number - 1)
redis.call('ZREM', KEYS[1], unpack(ids))
redis.call('HDEL', KEYS[2], unpack(ids))
return #ids

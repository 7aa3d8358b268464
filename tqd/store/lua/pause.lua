-- Pauses a queue, or lets it go on: no worker claims of a paused queue, and what is due there stays scheduled.
-- KEYS[1] paused        set of queues
-- KEYS[2] bell:<queue>  list, at most one token
-- KEYS[3] suspect:<queue> list of ids    KEYS[4] the suspects' bell
-- ARGV[1] queue         ARGV[2] 1: pause; 0: go on, and wake a worker
-- Returns 1 when this call has changed it, 0 when it was so before.
-- Cost: O(1), at most 6 commands.
if ARGV[2] == '1' then return redis.call('SADD', KEYS[1], ARGV[1]) end
-- A key of another kind fails here, before the first write.
local ringing, suspects, probing = redis.call('LLEN', KEYS[2]), redis.call('LLEN', KEYS[3]), redis.call('LLEN', KEYS[4])
local changed = redis.call('SREM', KEYS[1], ARGV[1])
if ringing == 0 then redis.pcall('RPUSH', KEYS[2], 1) end
if suspects > 0 and probing == 0 then redis.pcall('RPUSH', KEYS[4], 1) end
return changed

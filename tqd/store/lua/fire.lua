-- Stores the tasks of a schedule's slots, each slot once, whoever fires it and however often.
-- KEYS[1] cron  hash name -> <app>\n<schedule>     KEYS[2] cron:last  hash name -> ms:fingerprint
-- KEYS[3] task  hash id -> envelope   KEYS[4] ready:<queue>  list of ids   KEYS[5] bell:<queue>  list, at most one token
-- ARGV[1] name    ARGV[2] the schedule as the caller knows it
-- ARGV[3..] slot ms, id, envelope, ... (1 to 1000), in the order of the slots
-- Returns {tasks stored, the last slot fired so far in ms, ms by which the call is early}. {-1} when
-- the schedule is gone or another one. Early is by this Redis's clock, whatever the caller's says.
-- Cost: O(slots), 2 commands a slot and 8 more.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return { -1, 0, 0 } end
local ms, rest = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^(-?%d+)(.*)$')
local last, time = math.abs(tonumber(ms) or 0), redis.call('TIME')
local early = tonumber(ARGV[#ARGV - 2]) - math.floor(time[1] * 1000 + time[2] / 1000)
if early > 0 then return { 0, last, early } end
redis.call('HLEN', KEYS[3]) -- a key of another kind fails here, before the first write
redis.call('LLEN', KEYS[4])
local stored = 0
for i = 3, #ARGV, 3 do
  local slot = tonumber(ARGV[i])
  if slot > last then
    redis.call('HSET', KEYS[3], ARGV[i + 1], ARGV[i + 2])
    redis.call('RPUSH', KEYS[4], ARGV[i + 1])
    last, stored = slot, stored + 1
  end
end
if stored > 0 then
  redis.call('HSET', KEYS[2], ARGV[1], string.format('%d%s', last, rest or ''))
  if redis.pcall('LLEN', KEYS[5]) == 0 then redis.pcall('RPUSH', KEYS[5], 1) end
end
return { stored, last, 0 }

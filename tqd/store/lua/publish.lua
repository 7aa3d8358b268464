-- Replaces the schedules of one app by those that its code declares now.
-- KEYS[1] cron       hash name -> <app>\n<schedule>     KEYS[2] cron:last  hash name -> ms:fingerprint
-- KEYS[3] cron:apps  hash app -> ms: when the code was started that declared its schedules
-- ARGV[1] app    ARGV[2] ms of Redis's clock: when the caller's code was started
-- ARGV[3] now, ms of Redis's clock    ARGV[4..] name, <app>\n<schedule>, fingerprint, ... (0 to 1000)
-- A new schedule, or one whose slots have changed, has missed no slot: it begins now, noted as `-<ms>`.
-- Returns the number of schedules; -1 when newer code has declared already, then nothing is changed.
-- Cost: O(schedules of all apps), 4 commands a schedule and 4 more.
local seen = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '') or 0
redis.call('HLEN', KEYS[2]) -- a key of another kind fails here, before the first write
local known = redis.call('HGETALL', KEYS[1])
if seen > tonumber(ARGV[2]) and seen <= tonumber(ARGV[3]) then return -1 end
local declared, mine = {}, ARGV[1] .. '\n'
for i = 4, #ARGV, 3 do declared[ARGV[i]] = true end
for i = 1, #known, 2 do
  if not declared[known[i]] and string.sub(known[i + 1], 1, #mine) == mine then
    redis.call('HDEL', KEYS[1], known[i])
    redis.call('HDEL', KEYS[2], known[i])
  end
end
for i = 4, #ARGV, 3 do
  local ms, print = string.match(redis.call('HGET', KEYS[2], ARGV[i]) or '', '^(-?%d+):(.*)$')
  if print ~= ARGV[i + 2] then
    local from = math.max(math.abs(tonumber(ms) or 0), tonumber(ARGV[3]))
    redis.call('HSET', KEYS[2], ARGV[i], string.format('-%d:%s', from, ARGV[i + 2]))
  end
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return (#ARGV - 3) / 3

-- Stores the tasks of a schedule's slots, each slot once, whoever fires it and however often.
-- KEYS[1] cron  hash name -> <app>\n<schedule>     KEYS[2] cron:last  hash name -> ms:fingerprint
-- KEYS[3] task  hash id -> envelope   KEYS[4] ready:<queue>  list of ids   KEYS[5] bell:<queue>  list, at most one token
-- KEYS[6] attempts  hash id -> fence:attempts:crashes   KEYS[7] unique hash key -> id   KEYS[8] keyed hash id -> scope and key
-- KEYS[9] limits  hash queue -> max depth:...; of a queue with a depth also due:<queue> and holding, by its prefix; arrived
-- ARGV[1] name    ARGV[2] the schedule as the caller knows it
-- ARGV[3] scope (s or d) and key of a unique task, '' for none: while its key is taken, slots pass without a task
-- ARGV[4..] slot ms, id, envelope, ... (1 to 1000), in the order of the slots
-- Returns {tasks stored, the last slot fired so far in ms, ms by which the call is early}. {-1} when
-- the schedule is gone or another one. Early is by this Redis's clock, whatever the caller's says.
-- A queue that is full takes no more: then {..., tasks there, depth}, and the later slots are not fired yet.
-- Cost: O(slots), 7 commands a slot and 14 more.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return { -1, 0, 0 } end
local ms, rest = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^(-?%d+)(.*)$')
local last, time = math.abs(tonumber(ms) or 0), redis.call('TIME')
local early = tonumber(ARGV[#ARGV - 2]) - math.floor(time[1] * 1000 + time[2] / 1000)
if early > 0 then return { 0, last, early } end
for k, size in pairs({ [3] = 'HLEN', [4] = 'LLEN', [6] = 'HLEN', [7] = 'HLEN', [8] = 'HLEN' }) do
  redis.call(size, KEYS[k]) -- a key of another kind fails here, before the first write
end
local prefix = string.sub(KEYS[9], 1, -7)
local queue = string.sub(KEYS[4], #prefix + 7)
local depth = tonumber(string.match(redis.call('HGET', KEYS[9], queue) or '', '^(%d+):')) or 0
local waiting = depth > 0 and redis.call('LLEN', KEYS[4]) + redis.call('ZCARD', prefix .. 'due:' .. queue)
  + (tonumber(redis.call('HGET', prefix .. 'holding', queue)) or 0) or 0
local full = false
local before, stored, held, key = last, 0, ARGV[3], string.sub(ARGV[3], 2)
local function taken(id)
  local other = redis.call('HGET', KEYS[7], key)
  if other and redis.call('HEXISTS', KEYS[3], other) == 1 then return true end
  if other then redis.call('HDEL', KEYS[8], other) end -- of a task that has ended
  redis.call('HSET', KEYS[6], id, '1:0:0') -- something is on record of it from the start, as of all with a key
  redis.call('HSET', KEYS[7], key, id)
  redis.call('HSET', KEYS[8], id, held)
end
for i = 4, #ARGV, 3 do
  local slot, id = tonumber(ARGV[i]), ARGV[i + 1]
  full = full or slot > last and depth > 0 and waiting + stored >= depth
  if slot > last and not full then
    last = slot
    if held == '' or not taken(id) then
      redis.call('HSET', KEYS[3], id, ARGV[i + 2])
      redis.call('RPUSH', KEYS[4], id)
      stored = stored + 1
    end
  end
end
if last > before then redis.call('HSET', KEYS[2], ARGV[1], string.format('%d%s', last, rest or '')) end
if stored > 0 and redis.pcall('LLEN', KEYS[5]) == 0 then redis.pcall('RPUSH', KEYS[5], 1) end
if stored > 0 then redis.pcall('HINCRBY', prefix .. 'arrived', queue, stored) end
if full then return { stored, last, 0, waiting + stored, depth } end
return { stored, last, 0 }

-- Makes dead letters of one queue tasks again: ready at its tail, with no attempt charged, and noted as replayed.
-- KEYS[1] dead            zset id -> ms          KEYS[2] failure  hash id -> record
-- KEYS[3] task (and arrived, by its prefix)  hash id -> envelope    KEYS[4] attempts hash id -> fence:attempts:crashes
-- KEYS[5] ready:<queue>   list of ids            KEYS[6] bell:<queue>  list, at most one token
-- KEYS[7..] for each task: replay:<id> hash (count, ms, call, fence), result:<id> string
-- ARGV[1] name of the caller's run: with the same name a task is replayed once
-- ARGV[2] now, ms of Redis's clock. The fence goes on from there: above every earlier claim's, which
-- nobody remembers of a dead letter; and well above that of an earlier replay, whatever the clock says.
-- It is rounded up to 10 s, so that its last four digits count the claims since then.
-- ARGV[3] ms that the note of the replay is kept
-- ARGV[4..] id, envelope, ... (1 to 50 tasks)
-- Returns the ids that this run has replayed, now or in a call whose reply was lost. Others are left as they are.
-- Cost: O(tasks · log dead), 13 commands a task and 5 more.
for k, size in pairs({ [2] = 'HLEN', [4] = 'HLEN', [5] = 'LLEN' }) do
  redis.call(size, KEYS[k]) -- a key of another kind fails here, before the first write
end
local chosen, replayed, arrived = {}, {}, 0
for i = 4, #ARGV, 2 do
  local id, note = ARGV[i], KEYS[7 + (i - 4)]
  if redis.call('HGET', note, 'call') == ARGV[1] then
    replayed[#replayed + 1] = id
  elseif redis.call('ZSCORE', KEYS[1], id) and redis.call('HEXISTS', KEYS[3], id) == 0 then
    chosen[#chosen + 1] = i
  end
end
for _, i in ipairs(chosen) do
  local id, note, result = ARGV[i], KEYS[7 + (i - 4)], KEYS[8 + (i - 4)]
  if redis.call('HSETNX', KEYS[3], id, ARGV[i + 1]) == 1 then -- 0: the same id twice in this call
    local fence = math.max(math.ceil(ARGV[2] / 10000) * 10000, (tonumber(redis.call('HGET', note, 'fence') or '') or 0) + 100000)
    redis.call('HSET', KEYS[4], id, string.format('%d:0:0', fence))
    redis.call('HINCRBY', note, 'count', 1)
    redis.call('HSET', note, 'ms', ARGV[2], 'call', ARGV[1], 'fence', string.format('%d', fence))
    redis.call('PEXPIRE', note, ARGV[3])
    redis.call('DEL', result) -- it says dead, to whoever waits from now on
    redis.call('RPUSH', KEYS[5], id)
    arrived = arrived + 1
    redis.call('ZREM', KEYS[1], id)
    redis.call('HDEL', KEYS[2], id)
    replayed[#replayed + 1] = id
  end
end
if #chosen > 0 and redis.pcall('LLEN', KEYS[6]) == 0 then
  redis.pcall('RPUSH', KEYS[6], 1)
end
local prefix = string.sub(KEYS[3], 1, -5)
if arrived > 0 then redis.pcall('HINCRBY', prefix .. 'arrived', string.sub(KEYS[5], #prefix + 7), arrived) end
return replayed

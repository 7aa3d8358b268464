-- Removes tasks for good that wait in a queue, and tells whoever waits for their results.
-- KEYS[1] task      hash id -> envelope         KEYS[2] attempts  hash id -> fence:attempts:crashes
-- KEYS[3] errors    hash id -> errors of failed attempts
-- KEYS[4] cancels   hash id -> ms:reason        KEYS[5] keyed     hash id -> scope and key
-- KEYS[6] unique    hash key -> id
-- KEYS[7] ready:<queue> or held:<queue>:<key> list of ids, or due:<queue> zset id -> due ms
-- KEYS[8..] for each task: result:<id> string; also the channel on which the record is published
-- ARGV[1] ready | scheduled: what KEYS[7] is
-- ARGV[2] result record, different for every purge      ARGV[3] ms that it is kept
-- ARGV[4..] ids, read at the head of KEYS[7] (1 to 200)
-- Returns how many this purge has removed, now or in a call whose reply was lost. A task that somebody has
-- claimed meanwhile, or that is further than 1000 from the head by now, is left as it is.
-- Cost: O(ids · log scheduled), 9 commands an id and 10 more.
redis.call(ARGV[1] == 'ready' and 'LLEN' or 'ZCARD', KEYS[7])
for k = 1, 6 do redis.call('HLEN', KEYS[k]) end -- a key of another kind fails before the first write
-- include parts/lines.lua
local removed, gone, prefix = 0, 0, string.sub(KEYS[1], 1, -5)
for i = 4, #ARGV do
  local id, result, there = ARGV[i], KEYS[i + 4], nil
  if ARGV[1] == 'ready' then
    there = redis.call('LPOS', KEYS[7], id, 'MAXLEN', 1000) and redis.call('LREM', KEYS[7], 1, id) == 1
  else
    there = redis.call('ZREM', KEYS[7], id) == 1
  end
  if there then
    gone = gone + 1
    local key = redis.call('HGET', KEYS[5], id)
    if key and redis.call('HGET', KEYS[6], string.sub(key, 2)) == id then
      redis.call('HDEL', KEYS[6], string.sub(key, 2))
    end
    for k = 1, 5 do redis.call('HDEL', KEYS[k], id) end
    redis.pcall('SET', result, ARGV[2], 'PX', ARGV[3])
    redis.call('PUBLISH', result, ARGV[2])
  end
  if there or redis.pcall('GET', result) == ARGV[2] then removed = removed + 1 end
end
if gone > 0 and string.find(KEYS[7], prefix .. 'held:', 1, true) == 1 then line_shortened(prefix, KEYS[7], gone) end
return removed

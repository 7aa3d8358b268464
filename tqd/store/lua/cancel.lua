-- Cancels one task: one that waits ends here and never runs, any other is marked.
-- KEYS[1] task     hash id -> envelope        KEYS[2] attempts hash id -> fence:attempts:crashes
-- KEYS[3] errors   hash id -> errors          KEYS[4] dead     zset id -> ms
-- KEYS[5] unique   hash key -> id             KEYS[6] keyed    hash id -> scope and key
-- KEYS[7] cancels  hash id -> ms:reason       KEYS[8] due:<queue>  zset id -> ms
-- KEYS[9] result:<id>  string; also the channel on which the result record is published
-- KEYS[10..] the lists in which a task waits: ready:<queue>, parked:<name>, suspect:<queue>, held:<queue>:<key>
-- ARGV[1] id    ARGV[2] ids of a list looked through from either end    ARGV[3] mark: ms:reason
-- ARGV[4] ms that the result record is kept (> 0)    ARGV[5] result record
-- Returns cancelled, asked (it is claimed, or deep in a list: it ends before it runs again, or at its next
-- await), over (it had ended before) or unknown (no trace of it). The same to a repeated call.
-- Cost: O(log scheduled + ARGV[2] · lists), 28 commands.
local id, reach = ARGV[1], ARGV[2]
if redis.call('HEXISTS', KEYS[1], id) == 0 then
  local head = redis.call('GETRANGE', KEYS[9], 0, 11)
  if string.sub(head, 4) == 'cancelled' then return 'cancelled' end
  return (head ~= '' or redis.call('ZSCORE', KEYS[4], id)) and 'over' or 'unknown'
end
for _, k in ipairs({ 2, 3, 5, 6, 7 }) do
  redis.call('HLEN', KEYS[k]) -- a key of another kind fails here or in the next lines, before the first write
end
-- A full Redis lets this removal through, and what the script writes after it.
-- include parts/lines.lua
local found, prefix = redis.call('ZREM', KEYS[8], id) == 1, string.sub(KEYS[1], 1, -5)
for k = 10, #KEYS do
  if found then break end
  for _, rank in ipairs({ 1, -1 }) do
    if not found and redis.call('LPOS', KEYS[k], id, 'RANK', rank, 'MAXLEN', reach) then
      found = redis.call('LREM', KEYS[k], rank, id) == 1
      if string.find(KEYS[k], prefix .. 'held:', 1, true) == 1 then line_shortened(prefix, KEYS[k], 1) end
    end
  end
end
if not found then
  redis.call('HSETNX', KEYS[7], id, ARGV[3])
  return 'asked'
end
for k = 1, 3 do redis.call('HDEL', KEYS[k], id) end
local held = redis.call('HGET', KEYS[6], id)
if held then
  redis.call('HDEL', KEYS[6], id)
  local key = string.sub(held, 2)
  if redis.call('HGET', KEYS[5], key) == id then redis.call('HDEL', KEYS[5], key) end
end
redis.call('HDEL', KEYS[7], id)
redis.call('SET', KEYS[9], ARGV[5], 'PX', ARGV[4])
redis.call('PUBLISH', KEYS[9], ARGV[5])
return 'cancelled'

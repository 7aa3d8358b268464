-- Removes dead letters for good.
-- KEYS[1] dead     zset id -> ms
-- KEYS[2] failure  hash id -> record
-- ARGV: id, ms of its death as the caller saw it, ... (1 to 500 letters)
-- Returns the ids removed; one that was replayed and has died again since has a later time, and stays.
-- Cost: O(letters · log dead), 3 commands a letter and 1 more.
redis.call('HLEN', KEYS[2]) -- a key of another kind fails here, before the first write
local removed = {}
for i = 1, #ARGV, 2 do
  local ms = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 'none')
  if ms and (ms < ARGV[i + 1] + 1 or ms > 2 ^ 53) then -- that late: no time of ours, shown as 2^53
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    removed[#removed + 1] = ARGV[i]
  end
end
return removed

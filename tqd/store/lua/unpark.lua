-- Makes parked tasks of one name and one queue ready, because a worker knows the name now.
-- KEYS[1] parked:<name>   list of ids
-- KEYS[2] ready:<queue>   list of ids
-- KEYS[3] bell:<queue>    list, at most one token
-- KEYS[4] arrived         hash queue -> tasks that became ready
-- ARGV: ids, taken from the head of the parked list (1 to 100)
-- Returns the number of tasks moved; those that another worker moved first are not counted.
-- Cost: O(ids), as they are near the head; 2 commands an id and 4 more.
redis.call('LLEN', KEYS[2]) -- a key of another kind fails here, before the first write
local moved = 0
for _, id in ipairs(ARGV) do
  if redis.call('LREM', KEYS[1], 1, id) == 1 then
    redis.call('RPUSH', KEYS[2], id)
    moved = moved + 1
  end
end
if moved > 0 and redis.pcall('LLEN', KEYS[3]) == 0 then
  redis.call('RPUSH', KEYS[3], 1)
end
if moved > 0 then
  redis.pcall('HINCRBY', KEYS[4], string.sub(KEYS[2], #KEYS[4]), moved) -- the queue: arrived is 7 long, ready: is 6
end
return moved

-- What is kept of keys of which nothing runs any more: a part of claim.lua, behind key_rooms.lua.
--   runkeys:<queue> zset key -> ms of the next look at what runs of it, with a TTL
-- Cost: O(keys started), 7 commands each, and 1 for each claim looked at, some 2000 at most.
local function forget_keys(look) -- of which nothing runs any more; as many as have started now, and some
  local known, number = prefix .. 'runkeys:' .. look.queue, 0
  for _, room in pairs(look.rooms) do
    if room.taken > 0 and room.running then
      redis.pcall('ZADD', known, 'NX', now + 10000, room.key)
      number = number + 2
    end
  end
  if number == 0 then return end
  redis.pcall('PEXPIRE', known, 86400000)
  look.most_counted = counted + MOST_COUNTED
  for _, key in ipairs(redis.pcall('ZRANGEBYSCORE', known, '-inf', ARGV[2], 'LIMIT', 0, number)) do
    local name = prefix .. 'running:' .. look.queue .. ':' .. key
    if look.rooms[key] or counted > look.most_counted or running(name, 0) ~= 0 then
      redis.call('ZADD', known, now + 10000, key)
      redis.call('PEXPIRE', name, 86400000)
    else
      redis.call('ZREM', known, key)
    end
  end
end

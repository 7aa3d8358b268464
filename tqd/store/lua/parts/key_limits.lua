-- What a queue's limits of keys let start: a part of claim.lua, behind limit_key.lua and key_rooms.lua.
-- The ready list is sorted out from its head: what may start, and what goes into the line of its key.
-- Cost: O(600 tasks), 3 commands a task; no more than 4 MB of payloads is looked at.
local MOST_MOVED, MOST_BYTES, MOST_READ = 500, 4194304, 100

local function sort_out(look, chunk) -- returns how many of the chunk start or line up, their bytes, how many line up
  local done, bytes, moved = 0, 0, 0
  local envelopes = redis.call('HMGET', KEYS[3], unpack(chunk))
  local counts = tried > 0 and redis.call('HMGET', KEYS[4], unpack(chunk)) or {}
  for i, id in ipairs(chunk) do
    local key = look.wanted > 0 and limit_key(envelopes[i])
    local room = key and key_room(look, key)
    look.stuck, look.tired = room and room.bad, counted > look.most_counted
    if look.stuck or look.tired or look.wanted == 0 then break end
    -- What is on record of a unique task from the start does not say that it was given back.
    local back = counts[i] and (counts[i] ~= '1:0:0' or not named or redis.call('HEXISTS', keyed, id) == 0)
    if not room or room.free > 0 and (room.long == 0 or back) then
      begin(look, id, room)
    else
      local place = back and room.ahead or room.back
      place[#place + 1], room.long, moved = id, room.long + 1, moved + 1
    end
    done, bytes = done + 1, bytes + #(envelopes[i] or '')
  end
  return done, bytes, moved
end

local function take_ready(look, ready)
  local moved, bytes, size = 0, 0, math.min(look.wanted, MOST_READ)
  look.most_counted = counted + MOST_COUNTED -- more than runs of one key: something is always done
  while look.wanted > 0 and moved < MOST_MOVED and bytes < MOST_BYTES and not (look.stuck or look.tired) do
    local chunk = redis.call('LRANGE', ready, 0, size - 1)
    if #chunk == 0 then break end
    local done, read, lined = sort_out(look, chunk)
    if done > 0 then redis.call('LPOP', ready, done) end
    moved, bytes = moved + lined, bytes + read
    size = math.max(1, math.min(MOST_READ, size * 4, math.floor(MOST_BYTES / 4 * done / (read + 1))))
  end
end

-- Returns the tasks taken, whether more may start, and when to look for the lines that are left, if there are.
function take_by_key(queue, ready, text, wanted, room, first)
  local look = { queue = queue, rules = key_rules(text), wanted = wanted, first = first, rooms = key_rooms[queue] or {} }
  key_rooms[queue] = look.rooms
  look.index, look.running = prefix .. 'heldkeys:' .. queue, room and room.running
  local more, many = take_lines(look)
  take_ready(look, ready)
  line_up(look)
  forget_keys(look)
  for _, one in pairs(look.rooms) do
    if one.taken > 0 then start(one, one.taken) end
    one.taken = 0
  end
  local soonest = redis.call('ZRANGE', look.index, 0, 0, 'WITHSCORES')[2]
  local again = tonumber(redis.call('ZRANGEBYSCORE', look.index, '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
  if soonest and tonumber(soonest) <= now then -- a key's tasks end at any time, or there were too many keys to look at
    again = math.min(again or math.huge, now + (many and 20 or 1000))
  end
  return wanted - look.wanted, more or not look.stuck and redis.call('LLEN', ready) > 0, again
end

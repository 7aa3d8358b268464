-- The keys of a queue in one claim: what may start of each, and their lines. A part of claim.lua, behind limits.lua
-- and lines.lua. A task whose key has no room goes from the ready list into the line of its key, and is claimed from
-- there: the lines whose look is due go first, in turn. What was given back goes to the head of its line.
--   running:<queue>:<key>, rate:<queue>:<key> as those of a queue, both with a TTL
-- Cost: O(running of the keys), some 4000 at most with 1 command each; 64 lines at most with 8 commands each.
local MOST_LOOKS, MOST_COUNTED = 64, 2000
local key_rooms = {} -- queue -> key -> its room: a queue may be asked twice in a claim

local function key_rules(text) -- concurrency, rate per s, burst of each key; nil when keys have no limits
  local most, rate, burst = string.match(text or '', '^%d+:%d+:[%d.]+:%d+:k(%d+):([%d.]+):(%d+):')
  return most and { most = tonumber(most), rate = tonumber(rate) or 0, burst = tonumber(burst) }
end

local function key_room(look, key) -- what may start of a key, looked up once in a claim
  local rules, name = look.rules, look.queue .. ':' .. key
  local room = look.rooms[key]
  if room then return room end
  room = rules and room_under(look.queue, name, rules.most, rules.rate, rules.burst, credit + 1) or { free = math.huge }
  room.key, room.line, room.taken, room.back, room.ahead = key, prefix .. 'held:' .. name, 0, {}, {}
  room.long = redis.pcall('LLEN', room.line)
  if type(room.long) == 'table' then
    reply[4], room.long, room.free, room.bad = look.queue, 0, 0, true
  end
  look.rooms[key] = room
  return room
end

local function begin(look, id, room)
  ids[#ids + 1], firsts[#ids + 1] = id, look.first
  running_of[id], look.wanted = look.running, look.wanted - 1
  if room then key_running[id], room.free, room.taken = room.running, room.free - 1, room.taken + 1 end
end

local function take_lines(look) -- returns whether more of them may start, and whether some were not looked at
  look.most_counted = counted + MOST_COUNTED
  local more, due = false, redis.call('ZRANGEBYSCORE', look.index, '-inf', ARGV[2], 'LIMIT', 0, MOST_LOOKS)
  for _, key in ipairs(due) do
    if look.wanted == 0 then return true, true end
    if counted > look.most_counted then return more, true end
    local room = key_room(look, key)
    local take = math.min(room.long, room.free, look.wanted)
    if take > 0 then
      for _, id in ipairs(redis.call('LPOP', room.line, take)) do begin(look, id, room) end
      line_shortened(prefix, room.line, take)
      room.long = room.long - take
    end
    more = more or room.long > 0 and room.free > 0
    if room.long > 0 or room.bad then -- its next turn comes after those of all others
      redis.pcall('ZADD', look.index, room.slow and room.free < 1 and room.again or now, key)
    elseif take == 0 then
      redis.call('ZREM', look.index, key)
    end
  end
  return more, #due == MOST_LOOKS
end

local function line_up(look) -- what was taken out of the ready list before
  for _, room in pairs(look.rooms) do
    local number = #room.back + #room.ahead
    if #room.back > 0 then redis.call('RPUSH', room.line, unpack(room.back)) end
    for i = #room.ahead, 1, -1 do redis.call('LPUSH', room.line, room.ahead[i]) end
    if number > 0 then
      redis.pcall('HINCRBY', prefix .. 'holding', look.queue, number)
      redis.call('ZADD', look.index, 'NX', room.slow and room.again or now, room.key)
    end
    room.back, room.ahead = {}, {}
  end
end

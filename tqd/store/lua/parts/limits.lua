-- What the limits of a queue let start: a part of claim.lua, which declares all but `running` before.
-- Nothing is written before tasks were taken, but for entries of `running` whose tasks run no more.
--   running:<queue> hash id -> token worker: what was claimed while its concurrency was limited. Those whose
--     claim is gone are dropped when room is wanted, so that no settlement needs to know of limits
--   rate:<queue> string tokens:ms, with a TTL: a bucket, full when it is not there
--   flow:<queue> string window:taken:taken in the window before, with a TTL; windows of 10 s
-- Cost: O(running), at most 1000 of a queue, 2 commands each, and up to 5 more for each queue with limits.
local counted = 0 -- claims that this one has looked at

local function running(key, enough) -- how many tasks run, told exactly unless there are less than enough
  local count = redis.pcall('HLEN', key)
  if type(count) == 'table' or count <= enough then return count end
  local rows = count > 1000 and redis.call('HSCAN', key, 0, 'COUNT', 1000)[2] or redis.call('HGETALL', key)
  counted = counted + #rows / 2
  for i = 1, #rows, 2 do
    local token, worker = string.match(rows[i + 1], '^(%S+) (.+)$')
    if not worker or redis.pcall('HGET', prefix .. 'claims:' .. worker, rows[i]) ~= token then
      count = count - redis.call('HDEL', key, rows[i])
    end
  end
  return count
end

-- free: tasks that may start; again: when to look if more would; slow: that is known, as it is for the rate
function room_under(queue, name, most, rate, burst, wanted)
  -- Whatever somebody has written there: an error after tasks were taken from a list would lose them.
  rate, burst = math.min(rate, 1000000000), math.max(1, math.min(burst, 1000000000))
  local room = { free = math.huge }
  if most > 0 then
    room.running = prefix .. 'running:' .. name
    local count = running(room.running, most - wanted)
    if type(count) == 'table' then reply[4], count = queue, most end
    room.free, room.again = math.max(0, most - count), now + 1000
  end
  if rate > 0 then
    room.bucket, room.full_ms = prefix .. 'rate:' .. name, math.min(math.ceil(burst * 1000 / rate), 1000000000000)
    local text = redis.pcall('GET', room.bucket)
    if type(text) == 'table' then reply[4], text = queue, '0:' .. ARGV[2] end
    local tokens, ms = string.match(text or '', '^([%d.]+):(%d+)$')
    tokens, ms = tonumber(tokens), tonumber(ms)
    -- A little ahead is another worker's idea of the time; more, and Redis's clock was set back: a new bucket.
    if ms and ms > now + 1000 then ms = nil end
    room.ms = math.max(now, ms or 0)
    room.tokens = math.min(burst, tokens and ms and tokens + (room.ms - ms) * rate / 1000 or burst)
    local whole = math.floor(room.tokens + 0.000001)
    if whole < room.free then
      room.free, room.again = whole, now + math.max(10, math.ceil((whole + 1 - room.tokens) * 1000 / rate))
      room.slow = true
    end
  end
  return room
end

function room_of(queue, text, wanted)
  local depth, most, rate, burst = string.match(text, '^(%d+):(%d+):([%d.]+):(%d+):')
  depth, most, rate, burst = tonumber(depth) or 0, tonumber(most) or 0, tonumber(rate) or 0, tonumber(burst) or 1
  rooms[queue] = room_under(queue, queue, most, rate, burst, wanted)
  rooms[queue].flow = depth > 0 and prefix .. 'flow:' .. queue
  return rooms[queue]
end

function start(room, take) -- after the tasks were taken: from then on a full Redis refuses nothing
  if room.bucket then
    room.tokens = math.max(0, room.tokens - take)
    redis.call('SET', room.bucket, string.format('%.6f:%d', room.tokens, room.ms), 'PX', room.full_ms + 1000)
  end
  if room.flow then
    local window, text = math.floor(now / 10000), redis.pcall('GET', room.flow)
    local last, count, before = string.match(type(text) == 'string' and text or '', '^(%d+):(%d+):(%d+)$')
    local age = window - (tonumber(last) or 0)
    before = age == 0 and before or age == 1 and count or 0
    count = take + (age == 0 and count or 0)
    redis.call('SET', room.flow, string.format('%d:%d:%d', window, count, before), 'PX', 20000)
  end
end

-- The lines in which tasks wait that the limits of their key hold back: a part of scripts.
--   held:<queue>:<key> list of ids    heldkeys:<queue> zset key -> ms of the next look, of lines that hold any
--   holding hash queue -> tasks in all its lines
-- Cost: 3 commands.
local function line_shortened(prefix, line, count) -- after ids were taken out of it
  local queue, key = string.match(string.sub(line, #prefix + 1), '^held:([^:]*):(.*)$')
  local left = redis.pcall('HINCRBY', prefix .. 'holding', queue, -count)
  if type(left) ~= 'number' or left <= 0 then redis.pcall('HDEL', prefix .. 'holding', queue) end
  if redis.call('EXISTS', line) == 0 then redis.pcall('ZREM', prefix .. 'heldkeys:' .. queue, key) end
end

-- Publishes the limits that a daemon has for queues: they bind every producer and worker of the namespace.
-- KEYS[1] limits  hash queue -> max depth:concurrency:rate per s:burst:publisher; where its keys have limits,
-- k<concurrency:rate per s:burst> comes before the publisher
-- ARGV[1] publisher, the daemon's name    ARGV[2] 1: also what another daemon has published otherwise
-- ARGV[3..] queue, max depth:concurrency:rate per s:burst, also k<...> behind it, ...
-- What this daemon has published and does not name any more goes, with what was counted for it
-- (running:<queue>, rate:<queue>, flow:<queue>), and its queue's bell:<queue> is rung (that of suspects, too): what waited may start.
-- So it is when a limit changes. Keys are named by the prefix of KEYS[1]. What was counted for single keys has a TTL.
-- Returns {queue, what another daemon had said, ...} for those that said otherwise.
-- Cost: O(limits), 8 commands for each that goes or changes.
local prefix, wanted, others = string.sub(KEYS[1], 1, -7), {}, {}
local function wake(queue)
  local bell, suspects = prefix .. 'bell:' .. queue, redis.pcall('LLEN', prefix .. 'suspect:' .. queue)
  if redis.pcall('LLEN', bell) == 0 then redis.pcall('RPUSH', bell, 1) end
  bell = prefix .. 'bell:!suspect'
  if type(suspects) == 'number' and suspects > 0 and redis.pcall('LLEN', bell) == 0 then redis.pcall('RPUSH', bell, 1) end
end
for i = 3, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] .. ':' .. ARGV[1] end
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  local queue, text = known[i], known[i + 1]
  local limit, publisher = string.match(text, '^(%d+:%d+:[%d.]+:%d+:k%d+:[%d.]+:%d+):(.*)$')
  if not limit then limit, publisher = string.match(text, '^(%d+:%d+:[%d.]+:%d+):(.*)$') end
  if not wanted[queue] and (publisher == ARGV[1] or not publisher) then
    redis.call('HDEL', KEYS[1], queue)
    redis.call('DEL', prefix .. 'running:' .. queue, prefix .. 'rate:' .. queue, prefix .. 'flow:' .. queue)
    wake(queue)
  elseif wanted[queue] and publisher and publisher ~= ARGV[1] and wanted[queue] ~= limit .. ':' .. ARGV[1] then
    others[#others + 1], others[#others + 2] = queue, text
    if ARGV[2] ~= '1' then wanted[queue] = nil end
  end
end
for queue, text in pairs(wanted) do
  if redis.call('HGET', KEYS[1], queue) ~= text then
    redis.call('HSET', KEYS[1], queue, text)
    wake(queue)
  end
end
return others

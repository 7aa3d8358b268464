-- Tells how many tasks wait in each queue, and all that tells since when the next of them could have started.
-- Writes nothing.
-- KEYS[1] task  hash id -> envelope    KEYS[2] attempts  hash id -> fence:attempts:crashes
-- KEYS[3] limits  hash queue -> max depth:concurrency:rate per s:burst:...
-- KEYS[4..] for each queue: ready:<queue> list, due:<queue> zset, rate:<queue> string tokens:ms
-- ARGV[1] now, ms of Redis's clock    ARGV[2] ids that are looked at in each queue at most
-- ARGV[3] bytes of an envelope that is told at most    ARGV[4..] the names of the queues
-- Returns for each queue {ready, scheduled, how many of these are due, due ms of the first of those or '', id at
-- the head or '', its counts or '', the first id that was never claimed or '', its envelope, '' without one or 0
-- when it is longer, 1 if the queue's rate lets none start now, else 0}; {} when its keys are of another kind.
-- Cost: O(queues · ids), at most 9 commands for each queue.
local now, queues, replies = tonumber(ARGV[1]), {}, {}
for i = 4, #ARGV do queues[#queues + 1] = ARGV[i] end
local limits = redis.pcall('HMGET', KEYS[3], unpack(queues))

local function empty(bucket, text) -- whether the bucket of a rate has no token for a task; see parts/limits.lua
  local rate, burst = string.match(text, '^%d+:%d+:([%d.]+):(%d+)')
  rate, burst = tonumber(rate) or 0, tonumber(burst) or 1
  if rate <= 0 then return 0 end
  local kept = redis.pcall('GET', bucket)
  local tokens, ms = string.match(type(kept) == 'string' and kept or '', '^([%d.]+):(%d+)$')
  tokens, ms = tonumber(tokens), tonumber(ms)
  if not tokens or not ms or ms > now + 1000 then return 0 end
  return math.min(math.max(1, burst), tokens + math.max(0, now - ms) * rate / 1000) < 0.999999 and 1 or 0
end

local function front(ready, due, bucket, text)
  local waiting, scheduled = redis.pcall('LLEN', ready), redis.pcall('ZCARD', due)
  if type(waiting) == 'table' or type(scheduled) == 'table' then return {} end
  local first = redis.call('ZRANGEBYSCORE', due, 2, now, 'WITHSCORES', 'LIMIT', 0, 1)[2] or '' -- 1: cancelled
  local ids = redis.call('LRANGE', ready, 0, ARGV[2] - 1)
  local counts = #ids > 0 and redis.pcall('HMGET', KEYS[2], unpack(ids)) or {}
  local fresh, envelope = '', ''
  for i, id in ipairs(ids) do
    if not counts.err and not counts[i] then
      local length = redis.pcall('HSTRLEN', KEYS[1], id)
      fresh, envelope = id, type(length) == 'number' and length > tonumber(ARGV[3]) and 0 or ''
      if type(length) == 'number' and envelope == '' then envelope = redis.call('HGET', KEYS[1], id) or '' end
      break
    end
  end
  return {
    waiting, scheduled, redis.call('ZCOUNT', due, '-inf', now), first, ids[1] or '', counts[1] or '', fresh, envelope,
    text and empty(bucket, text) or 0,
  }
end

for i, queue in ipairs(queues) do
  replies[i] = front(KEYS[1 + 3 * i], KEYS[2 + 3 * i], KEYS[3 + 3 * i], not limits.err and limits[i])
end
return replies

-- Stores new tasks of one queue that become ready at a later time.
-- KEYS[1] producer:<id>   string, the number of this producer's last stored call
-- KEYS[2] task            hash id -> envelope
-- KEYS[3] due:<queue>     zset id -> due ms
-- KEYS[4] bell:<queue>    list, at most one token
-- KEYS[5] limits          hash queue -> max depth:...; of a queue with a depth also ready:<queue>,
--                         holding and flow:<queue> are read, by the prefix of this key
-- ARGV[1] number of this call, rising by producer
-- ARGV[2] s that the producer's number is remembered
-- ARGV[3..] id, envelope, due ms (Redis's clock), ... (1 to 1000 tasks)
-- Returns the number of tasks stored; 0 when this call was stored before (its reply was lost). When the
-- queue would hold more than its depth, ready (held back, too) and scheduled, nothing is stored: {tasks there, depth, flow or ''}.
-- Rings when the queue's next due time has changed, so that a worker sets its timer anew.
-- Cost: O(tasks · log scheduled), 9 commands; 4 more when the queue has a depth.
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then
  return 0
end
local head = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
local ringing = redis.call('LLEN', KEYS[4])
local envelopes, times = {}, {}
for i = 3, #ARGV, 3 do
  envelopes[#envelopes + 1] = ARGV[i]
  envelopes[#envelopes + 1] = ARGV[i + 1]
  times[#times + 1] = ARGV[i + 2]
  times[#times + 1] = ARGV[i]
end
local prefix = string.sub(KEYS[5], 1, -7)
local queue = string.sub(KEYS[3], #prefix + 5)
local depth = tonumber(string.match(redis.call('HGET', KEYS[5], queue) or '', '^(%d+):')) or 0
if depth > 0 then
  local waiting = redis.call('ZCARD', KEYS[3]) + redis.call('LLEN', prefix .. 'ready:' .. queue)
    + (tonumber(redis.call('HGET', prefix .. 'holding', queue)) or 0)
  if waiting + #times / 2 > depth then
    return { waiting, depth, redis.call('GET', prefix .. 'flow:' .. queue) or '' }
  end
end
redis.call('HSET', KEYS[2], unpack(envelopes))
redis.call('ZADD', KEYS[3], unpack(times))
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if ringing == 0 and redis.call('ZRANGE', KEYS[3], 0, 0)[1] ~= head then
  redis.call('RPUSH', KEYS[4], 1)
end
return #times / 2

-- Claims tasks for one worker: due ones become ready, ready ones are taken, in the order of the queues.
-- KEYS[1] workers:<node>  set of the worker ids that may claim    KEYS[2] claims:<worker> hash id -> token
-- KEYS[3] task  hash id -> envelope           KEYS[4] attempts  hash id -> fence:attempts:crashes
-- KEYS[5..] for each queue: ready:<queue> list, due:<queue> zset, bell:<queue> list
--   The probe claims in the same way: suspect:<queue>, a zset that is never there, the suspects' bell.
-- The last 3 KEYS: unique hash key -> id, keyed hash id -> scope and key, cancels hash id -> ms:reason
-- ARGV[1] worker id    ARGV[2] now, ms of Redis's clock    ARGV[3] credit, tasks wanted in all (0 to 1000)
-- ARGV[4] tasks promoted per queue at most    ARGV[5..] for each queue: name, tasks taken from it at most
-- Returns {-1} when the worker is fenced off, else {next due ms or 0, 1 if work is left, ids without
-- a task (dropped), name of a queue whose keys are of another kind or '', {id, mark, ...} of those that
-- are claimed to be cancelled, id, token, envelope, ...}.
-- Cost: O(credit + promoted · log scheduled), 3 commands a queue and 9 more.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return { -1 } end
redis.call('HLEN', KEYS[3]) -- a key of another kind fails here, before the first write
local unique, keyed, cancels = unpack(KEYS, #KEYS - 2)
local marked, named = redis.call('HLEN', cancels) > 0, redis.call('HLEN', keyed) > 0
if named then redis.call('HLEN', unique) end
local held, tried = redis.call('HLEN', KEYS[2]), redis.call('HLEN', KEYS[4])
local now, credit = tonumber(ARGV[2]), tonumber(ARGV[3])
local reply, ids, firsts = { 0, 0, 0, '', {} }, {}, {}
for k = 5, #KEYS - 3, 3 do
  local ready, due, bell, a = KEYS[k], KEYS[k + 1], KEYS[k + 2], 5 + (k - 5) / 3 * 2
  local waiting, head = redis.pcall('LLEN', ready), redis.pcall('ZRANGE', due, 0, 0, 'WITHSCORES')
  if type(waiting) == 'table' or head.err then
    reply[4] = ARGV[a]
  else
    if head[1] and tonumber(head[2]) <= now then
      local ripe = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[4])
      redis.call('ZREM', due, unpack(ripe))
      waiting = redis.call('RPUSH', ready, unpack(ripe))
      head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
    end
    local next_due = tonumber(head[2])
    if next_due and (reply[1] == 0 or next_due < reply[1]) then reply[1] = next_due end
    local take = math.min(credit, tonumber(ARGV[a + 1]), waiting)
    if take > 0 then
      local first = '1:0:0:' .. ARGV[a] -- the token of a first attempt
      for _, id in ipairs(redis.call('LPOP', ready, take)) do ids[#ids + 1], firsts[#ids + 1] = id, first end
      credit = credit - take
    end
    local left = waiting > take
    if left then reply[2] = 1 end
    if left and redis.pcall('LLEN', bell) == 0 then redis.pcall('RPUSH', bell, 1) end -- refused: Redis is full
  end
end
if #ids == 0 then return reply end
local envelopes = redis.call('HMGET', KEYS[3], unpack(ids))
local counts = tried > 0 and redis.call('HMGET', KEYS[4], unpack(ids)) or {}
local noted, n = {}, #reply
for i, id in ipairs(ids) do
  if envelopes[i] then
    local token = firsts[i]
    if counts[i] then
      local fence, rest = string.match(counts[i], '^(%d+)(:%d+:%d+)$')
      token = string.format('%d%s:%s', (fence or 0) + 1, rest or ':0:0', string.sub(token, 7))
      local key = named and redis.call('HGET', keyed, id)
      if key and string.sub(key, 1, 1) == 's' then -- unique until it is started, which is now
        redis.call('HDEL', keyed, id)
        key = string.sub(key, 2)
        if redis.call('HGET', unique, key) == id then redis.call('HDEL', unique, key) end
      end
    end
    local mark = marked and redis.call('HGET', cancels, id)
    if mark then reply[5][#reply[5] + 1], reply[5][#reply[5] + 2] = id, mark end
    noted[#noted + 1], noted[#noted + 2] = id, token
    reply[n + 1], reply[n + 2], reply[n + 3], n = id, token, envelopes[i], n + 3
  else
    reply[3] = reply[3] + 1
  end
end
-- A value this long makes Redis build a hash table at once; in its compact form every claim and every
-- settlement would walk through all the others. The real value follows.
if held == 0 and #noted > 16 then redis.call('HSET', KEYS[2], noted[1], string.rep('-', 128)) end
if #noted > 0 then redis.call('HSET', KEYS[2], unpack(noted)) end
return reply

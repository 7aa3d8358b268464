-- Ends tasks that are done and keep no result.
-- KEYS[1] claims:<worker> hash id -> token
-- KEYS[2] task            hash id -> envelope
-- KEYS[3] attempts        hash id -> fence:attempts:crashes
-- KEYS[4] errors          hash id -> errors of failed attempts
-- KEYS[5] unique  hash key -> id    KEYS[6] keyed  hash id -> scope and key
-- KEYS[7] cancels  hash id -> ms:reason
-- ARGV: id, token, id, token, ... (1 to 1000 tasks)
-- Returns the ids whose claim is not, or no longer, this worker's; they are left as they are.
-- Cost: O(tasks), 7 commands, and 4 for each task that has a unique key.
local ids = {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local keyed, marked = redis.call('HLEN', KEYS[6]), redis.call('HLEN', KEYS[7])
local held = redis.call('HMGET', KEYS[1], unpack(ids))
local ours, lost, counted = {}, {}, {}
for i, id in ipairs(ids) do
  local token = ARGV[2 * i]
  local place = held[i] == token and ours or lost
  place[#place + 1] = id
  -- A first claim, with a token that begins with 1:, has nothing on record.
  if place == ours and string.find(token, '1:', 1, true) ~= 1 then counted[#counted + 1] = id end
end
if #ours > 0 then
  -- The claim goes last: when another key is of another kind, the task stays claimed.
  for _, id in ipairs(keyed > 0 and counted or {}) do
    local named = redis.call('HGET', KEYS[6], id)
    if named and redis.call('HGET', KEYS[5], string.sub(named, 2)) == id then
      redis.call('HDEL', KEYS[5], string.sub(named, 2))
    end
    if named then redis.call('HDEL', KEYS[6], id) end
  end
  if marked > 0 then redis.call('HDEL', KEYS[7], unpack(ours)) end
  if #counted > 0 then
    redis.call('HDEL', KEYS[4], unpack(counted))
    redis.call('HDEL', KEYS[3], unpack(counted))
  end
  redis.call('HDEL', KEYS[2], unpack(ours))
  redis.call('HDEL', KEYS[1], unpack(ours))
end
return lost

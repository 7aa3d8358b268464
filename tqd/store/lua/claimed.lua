-- Counts what workers hold, by token: the first attempts of a queue all have the same one. Writes nothing.
-- KEYS[1], KEYS[2], ...  claims:<worker> of each worker, hash id -> token (1 to 256 workers)
-- ARGV[1] claims that are counted at most
-- Returns {token, count, ...}, or -1 when there are more claims than that.
-- Cost: O(claims), 2 commands a key; some 0.2 µs for each claim.
local total = 0
for _, key in ipairs(KEYS) do total = total + redis.call('HLEN', key) end
if total > tonumber(ARGV[1]) then return -1 end
local counts = {}
for _, key in ipairs(KEYS) do
  for _, token in ipairs(redis.call('HVALS', key)) do counts[token] = (counts[token] or 0) + 1 end
end
local reply = {}
for token, count in pairs(counts) do
  reply[#reply + 1], reply[#reply + 2] = token, count
end
return reply

-- Sets the end of a node's lease and, for a worker, gives it the right to claim. Also when Redis is full.
-- KEYS[1] nodes           zset node -> lease end, ms of Redis's clock
-- KEYS[2] workers:<node>  set of the worker ids that may claim
-- ARGV[1] node            ARGV[2] lease end, ms
-- ARGV[3] worker id, '' for none; with a worker a lease that ends later is not shortened
-- Returns 1.
-- Cost: O(log nodes), 4 commands.
redis.call('SCARD', KEYS[2]) -- a key of another kind fails here, before the first write
-- A full Redis refuses ZADD and SADD unless the script has written before, and a removal it lets through:
-- consumers must be able to stay alive and to start, or nobody would ever make room.
redis.call('ZREM', KEYS[1], '')
if ARGV[3] == '' then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
else
  redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
  redis.call('SADD', KEYS[2], ARGV[3])
end
return 1

-- Tells what is kept beside tasks and belongs to none any more, and removes it. For `tqd doctor --audit`.
-- KEYS[1] task    hash id -> envelope        KEYS[2] unique   hash key -> id
-- KEYS[3] keyed   hash id -> scope and key   KEYS[4] cancels  hash id -> ms:reason
-- ARGV[1] 1: remove; 0: look, write nothing
-- ARGV[2..] number of the key (2 to 4), field, ... (1 to 500)
-- Returns for each 1 when it is, or was, wrong: there is no task of this id, or of the id that has the key.
-- Cost: O(fields), 3 commands a field.
local wrong = {}
for i = 2, #ARGV, 2 do
  local key, field = tonumber(ARGV[i]), ARGV[i + 1]
  local held = redis.call('HGET', KEYS[key], field)
  local id = key == 2 and held or field
  local stray = held and redis.call('HEXISTS', KEYS[1], id) == 0
  if stray and ARGV[1] == '1' then redis.call('HDEL', KEYS[key], field) end
  wrong[#wrong + 1] = stray and 1 or 0
end
return wrong

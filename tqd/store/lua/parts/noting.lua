-- What a claim notes of what it took: a part of claim.lua. `noted` is id, token, ...; by id, `running_of` and
-- `key_running` are the hashes in which it counts for the limits of its queue and of its key.
-- A value this long makes Redis build a hash table at once; in its compact form every claim and every
-- settlement would walk through all the others. The real value follows.
if held == 0 and #noted > 16 then redis.call('HSET', KEYS[2], noted[1], string.rep('-', 128)) end
if #noted > 0 then redis.call('HSET', KEYS[2], unpack(noted)) end
if next(running_of) or next(key_running) then
  for i = 1, #noted, 2 do
    local key, of_key = running_of[noted[i]], key_running[noted[i]]
    if key then redis.call('HSET', key, noted[i], noted[i + 1] .. ' ' .. ARGV[1]) end
    if of_key then
      redis.call('HSET', of_key, noted[i], noted[i + 1] .. ' ' .. ARGV[1])
      redis.call('PEXPIRE', of_key, 86400000)
    end
  end
end

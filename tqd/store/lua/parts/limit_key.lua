-- The limit key of a task: a part of scripts. An envelope of nine fields (0x99) ends in the key and 2 bytes that
-- say how long it is, both in one msgpack bin; a signed one has 26 bytes in front (see tqd/wire/limit_key.py).
-- What is none of that has no key: whoever claims it finds out what is wrong with it.
local function limit_key(envelope)
  if not envelope or #envelope < 8 then return nil end
  if string.byte(envelope, string.byte(envelope) == 0xc1 and 27 or 1) ~= 0x99 then return nil end
  local high, low = string.byte(envelope, -2, -1)
  local size = high * 256 + low + 2
  if size < 3 or size > 802 or size + 4 > #envelope then return nil end
  local short = string.byte(envelope, -size - 2) == 0xc4 and string.byte(envelope, -size - 1) == size
  local long = string.byte(envelope, -size - 3) == 0xc5
    and string.byte(envelope, -size - 2) * 256 + string.byte(envelope, -size - 1) == size
  return (short or long) and string.sub(envelope, -size, -3) or nil
end

-- KEYS: records, readings. ARGV: location, the record of what was taken back, '1' to
-- record that even if there is nothing.
-- Returns whether there was anything, or is now.
local record = redis.call('HGET', KEYS[1], ARGV[1])
local was = redis.call('HDEL', KEYS[2], ARGV[1])
if ARGV[3] == '1' or record and record ~= ARGV[2] then was = 1 end
if was == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return was

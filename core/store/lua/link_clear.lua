-- KEYS: records, readings. ARGV: location, the record of what was taken back.
-- Returns whether there was anything.
local record = redis.call('HGET', KEYS[1], ARGV[1])
local was = redis.call('HDEL', KEYS[2], ARGV[1])
if record and record ~= ARGV[2] then was = 1 end
if was == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return was

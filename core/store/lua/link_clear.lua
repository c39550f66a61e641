-- KEYS: records, readings. ARGV: location, the record of what was taken back, '1' to
-- record that even if there is nothing, a channel, and what to say on it of a change.
-- Returns whether there was anything, or is now.
local record = redis.call('HGET', KEYS[1], ARGV[1])
local was = redis.call('HDEL', KEYS[2], ARGV[1])
if ARGV[3] == '1' or record and record ~= ARGV[2] then was = 1 end
if was == 1 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return was

-- KEYS: records, reports. ARGV: channel, id, record, generation that was read. Returns the generation
-- that stood, or nothing if there is no such run. The record is put if they are equal.
local stands = redis.call('HGET', KEYS[1], ARGV[2])
if not stands then return false end
local generation = string.match(stands, '^%d+') or ''
if generation == ARGV[4] then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return generation

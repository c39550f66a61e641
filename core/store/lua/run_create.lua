-- KEYS: records, reports. ARGV: channel, id, record. Returns the record that stands, if one does.
-- Reports without a record are what an embedded store wrote last when it was killed.
local stands = redis.call('HGET', KEYS[1], ARGV[2])
if stands then return stands end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return false

-- KEYS: records, reports. ARGV: channel, id. Returns 0 if there is no such run.
if redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1

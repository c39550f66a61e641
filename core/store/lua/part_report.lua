-- KEYS: records, reports. ARGV: channel, id, node, report. Returns 0 if there is no such run.
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('PUBLISH', ARGV[1], ARGV[3])
return 1

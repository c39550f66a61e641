-- ARGV 3..: node, location, ttl in ms, how long to keep idle keys in ms
redis.call('ZADD', PENDING, int(now + tonumber(ARGV[5])), ARGV[3])
redis.call('HSET', LOCATIONS, ARGV[3], ARGV[4])
keep(PENDING, tonumber(ARGV[6]))
keep(LOCATIONS, tonumber(ARGV[6]))
publish()
return 1

-- KEYS: known, alive. ARGV: name, record, ttl in ms
local name, record, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('HSET', KEYS[1], name, record)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now))
redis.call('ZADD', KEYS[2], int(now + ttl), name)
keep(KEYS[2], ttl)
return 1

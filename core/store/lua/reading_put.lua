-- KEYS: readings. ARGV: location, age in ms, reading.
redis.call('HSET', KEYS[1], ARGV[1], int(now - tonumber(ARGV[2])) .. ' ' .. ARGV[3])
return 1

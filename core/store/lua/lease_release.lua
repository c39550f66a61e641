-- KEYS: lease. ARGV: owner. Returns whether the owner held it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

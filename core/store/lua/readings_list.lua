-- KEYS: readings. Returns the time in ms, then {location, reading, location, reading, ...}.
local all = redis.call('HGETALL', KEYS[1])
table.insert(all, 1, int(now))
return all

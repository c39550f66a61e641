-- KEYS: readings. ARGV: location, age in ms, reading, location, age in ms, ...
for i = 1, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], int(now - tonumber(ARGV[i + 1])) .. ' ' .. ARGV[i + 2])
end
return 1

-- ARGV 3..: node, record, ttl in ms
local node, record, ttl = ARGV[3], ARGV[4], tonumber(ARGV[5])
if redis.call('HGET', MEMBERS, node) ~= record then
  redis.call('HSET', MEMBERS, node, record)
  put = record
end
redis.call('ZADD', LEASES, int(now + ttl), node)
publish()
touch()
return 1

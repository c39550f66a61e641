-- KEYS: records, seeds. ARGV: digest, node. Returns 0 if there is no such artifact.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if not redis.call('ZSCORE', KEYS[2], ARGV[2]) then
  local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  redis.call('ZADD', KEYS[2], tonumber(last[2] or 0) + 1, ARGV[2])
end
return 1

-- KEYS: alive. Returns the names whose records have not expired.
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. int(now), '+inf')

-- Returns {node, location, node, location, ...}.
publish()
return redis.call('HGETALL', LOCATIONS)

-- Opens the demand for an artifact: drops what has expired.
-- KEYS: pending, locations. ARGV: channel, digest, ...
local PENDING, LOCATIONS = KEYS[1], KEYS[2]
local before = redis.call('ZCARD', PENDING)

local function drop(node)
  redis.call('ZREM', PENDING, node)
  redis.call('HDEL', LOCATIONS, node)
end

-- Tells that an artifact began or ceased to be needed, by anybody or by more than one (who holds it
-- may be the one), not of each node that needs it: with 10,000 nodes that would be 100,000,000 messages.
local function publish()
  local after = redis.call('ZCARD', PENDING)
  if math.min(before, 2) ~= math.min(after, 2) then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
end

for _, node in ipairs(redis.call('ZRANGEBYSCORE', PENDING, '-inf', int(now))) do drop(node) end

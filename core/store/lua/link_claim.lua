-- KEYS: claims. ARGV: node or '', its claim, how long claims are kept in ms.
-- Returns the time in ms, then {node, claim, node, claim, ...}.
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], int(now) .. ' ' .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
local all, kept = redis.call('HGETALL', KEYS[1]), {int(now)}
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^%d+'))
  if at and math.abs(now - at) < tonumber(ARGV[3]) then
    table.insert(kept, all[i])
    table.insert(kept, all[i + 1])
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return kept

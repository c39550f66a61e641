-- KEYS: claims. ARGV: node or '', its claim, how long claims are kept in ms, how
-- long nobody may ask in ms.
-- Returns the time in ms, since when claims have been kept without a break in ms, then
-- {node, claim, node, claim, ...}. A break is that they were lost, or that nobody asked for so
-- long that some of them may have been: a server may start again from what it had saved.
-- A clock that was put back ends what was said to have begun later, too.
local since, last = string.match(redis.call('HGET', KEYS[1], '') or '', '^(%d+) (%d+)$')
if not since or tonumber(since) > now or math.abs(now - last) >= tonumber(ARGV[4]) then
  since = int(now)
end
redis.call('HSET', KEYS[1], '', since .. ' ' .. int(now))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], int(now) .. ' ' .. ARGV[2])
end
local all, kept = redis.call('HGETALL', KEYS[1]), {int(now), since}
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^%d+'))
  if all[i] == '' then
    -- not a node
  elseif at and math.abs(now - at) < tonumber(ARGV[3]) then
    table.insert(kept, all[i])
    table.insert(kept, all[i + 1])
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return kept

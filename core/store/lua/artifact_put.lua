-- KEYS: records, seeds. ARGV: digest, record, seed, seed, ... The seeds that are named come first,
-- in their order; those known before follow.
local seeds, seen = {}, {}
local function add(node)
  if not seen[node] then
    seen[node] = true
    seeds[#seeds + 1] = node
  end
end
for i = 3, #ARGV do add(ARGV[i]) end
for _, node in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do add(node) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for i, node in ipairs(seeds) do redis.call('ZADD', KEYS[2], i, node) end
return 1

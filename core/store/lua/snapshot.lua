-- ARGV 3: the version that the caller has. Returns {version} if it is still that one, else
-- {version, slots, record, record, ...}.
publish()
local current = version()
if current == ARGV[3] then return {current} end
local reply = {current, slots_json()}
for _, record in ipairs(redis.call('HVALS', MEMBERS)) do reply[#reply + 1] = record end
return reply

-- KEYS: records, readings. ARGV: locations, none for all of which anything is known.
-- Returns the time in ms, then {location, record, reading, ...}, '' for what there is
-- none of. What is there and empty is '?', which nobody can read: it is not nothing.
local found = {int(now)}
local function add(place, record, reading)
  table.insert(found, place)
  table.insert(found, record == '' and '?' or record or '')
  table.insert(found, reading == '' and '?' or reading or '')
end
if #ARGV > 0 then
  local records, readings = redis.call('HMGET', KEYS[1], unpack(ARGV)), redis.call('HMGET', KEYS[2], unpack(ARGV))
  for i, place in ipairs(ARGV) do add(place, records[i], readings[i]) end
  return found
end
local readings = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do readings[all[i]] = all[i + 1] end
all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  add(all[i], all[i + 1], readings[all[i]])
  readings[all[i]] = nil
end
for place, reading in pairs(readings) do add(place, nil, reading) end
return found

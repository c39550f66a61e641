-- ARGV 3..: node, number of slots, lease in ms. Returns the slot or -1.
local node, slots, lease = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if width ~= slots then redis.call('HSET', SLOTS, 'width', int(slots)) end

local slot = slot_of(node)
if slot and slot >= slots then
  drop_slot(slot)
  slot = nil
end
if not slot then
  local taken, free = 0, nil
  for _ in pairs(holders) do taken = taken + 1 end
  for i = slots - 1, 0, -1 do
    if not holders[i] then free = i end
  end
  if taken < slots then slot = free end
end
if slot then hold_slot(slot, node, lease) end
publish()
touch()
return slot or -1

-- ARGV 3..: node, slot, lease in ms. Returns whether the node holds the slot.
local node, slot, lease = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local mine = holders[slot] == node
if mine and slot >= width then
  drop_slot(slot)
  mine = false
end
if mine then hold_slot(slot, node, lease) end
publish()
if mine then touch() end
return mine and 1 or 0

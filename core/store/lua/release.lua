-- ARGV 3..: node, slot
local node, slot = ARGV[3], tonumber(ARGV[4])
if holders[slot] == node then drop_slot(slot) end
publish()
return 1

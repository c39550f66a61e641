-- ARGV 3: node
drop_member(ARGV[3])
drop_slot_of(ARGV[3])
publish()
return 1

-- ARGV 3: node
drop(ARGV[3])
publish()
return 1

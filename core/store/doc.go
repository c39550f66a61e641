// Package store is the coordination of a fleet in Redis: who is there, what is
// wanted, who still needs it, and who meets whom in which group of a transfer
// (thesis, section 4.2). Everything that means "alive" expires on the clock of
// the Redis server, so a dead node shows by what is missing (requirement 28).
// No distributed locks: each check-then-act is one script or one optimistic
// transaction (requirement 32). A lease only spares two agents the same work.
//
// # Keys
//
// All keys start with the configured prefix. The braces are Redis Cluster hash
// tags; every script names all of its keys, and they share one tag, so a script
// runs on one shard and the groups of a transfer may live on different ones
// (requirement 47).
//
//	{nodes}:known                  hash   name → api.Node, kept until forgotten
//	{nodes}:alive                  zset   name → when the record expires, ms
//	{artifacts}:records            hash   digest → api.Artifact without Seeds
//	{artifacts}:seeds:<digest>     zset   node → its position among the seeds
//	{artifacts}:troubles:<digest>  hash   node → api.SeedTrouble
//	{artifacts}:identity           hash   "id" → drawn when it was missing
//	{distributions}:records        hash   name → api.Distribution
//	{distributions}:identity       hash   as that of the artifacts
//	{status/<distribution>}        hash   node → api.NodeStatus
//	{backups}:records              hash   ID → api.Backup
//	{schedules}:records            hash   name → api.Schedule
//	{holds}:records                hash   api.Hold.Key → api.Hold
//	{limits}:records               hash   name → api.Limit
//	{links}:records                hash   location → LinkRecord, also of what was taken back
//	{links}:readings               hash   location → "<measured, ms> <LinkReading>"
//	{link/<location>}:claims       hash   node → "<claimed, ms> <LinkClaim>", "" → "<kept since, ms> <asked for, ms>", gone a minute after the last
//	{runs}:records                 hash   ID → "<generation> <api.Run>", without reports of its parts
//	{runs}:reports:<ID>            hash   node → api.PartReport, deleted with the run
//	{lease/<name>}                 string owner, expires with the lease
//	{<digest>}:pending             zset   node → when its need expires, ms
//	{<digest>}:pending:locations   hash   node → location
//	{<digest>/<location>}:members  hash   node → overlay.Member
//	{<digest>/<location>}:leases   zset   node → when its membership expires, ms
//	{<digest>/<location>}:slots    hash   slot → "<expires, ms> <node>", and their number
//	{<digest>/<location>}:version  string counter of changes
//
// The reports of all runs are with the records, so that a script keeps none of a
// run that is deleted.
//
// A group's keys are gone one hour after anybody touched them last.
//
// # Channels
//
//	<prefix>:distributions                a changed set of distributions
//	<prefix>:runs                         the ID of a run that was created, changed or deleted
//	<prefix>:{runs}:reported:<ID>         the node whose part in the run reports
//	<prefix>:controls                     changed holds, limits or links
//	<prefix>:demand                       a digest that began or ceased to be needed
//	<prefix>:{status/<distribution>}:moved  a report whose phase is another
//	<prefix>:{<digest>/<location>}:delta  a change of a group, with its version
//
// # Access
//
// A Redis ACL user needs `~<prefix>:* &<prefix>:* +@all -@dangerous -@admin`
// and nothing more.
//
// The store is a shell package: it owns sockets and goroutines, and takes no
// decisions about the overlay.
package store

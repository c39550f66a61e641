// Package module makes Ansible tasks true, one host's part at a time: that
// content belongs at a path (the module artifact), that a database's replicas
// are seeded (replica_seed). It is a thin client of the agent on the machine that
// it runs on.
//
// The collection's action plugins call it, with what they know of the play beside
// the task's options (call). A task has two steps. One host submits for all hosts
// of the play, so that all of them start at once, whatever the number of forks
// is. Then every host waits for its own part, and tells what changed there.
// Called without a plugin it does both, and waits for everybody.
package module

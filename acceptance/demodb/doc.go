// Command demodb shows rackswarm with databases on one machine: four hosts in
// namespaces, with sshd, agents and PostgreSQL 15. A playbook (examples/databases)
// seeds two replicas from a primary that is written to, a schedule takes a backup,
// and when the primary is gone the backup is restored. It needs root, bin/ as
// "make programs" fills it and the archive of the collection, and leaves nothing
// behind.
//
//	make demo-db
package main

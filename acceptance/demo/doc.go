// Command demo shows rackswarm on one machine: seven agents on distinct
// loopback addresses, in three racks of two datacenters, receive the Go
// toolchain's own tree by "terraform apply". A lost file and a new version
// follow. It needs bin/ as "make build" fills it and leaves nothing behind.
//
//	make demo
package main

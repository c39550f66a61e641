// Package busy gives the hosts of a lab processors and disks of their own, and keeps
// these busy.
//
// Network namespaces share the machine's processors and disk. What an agent reads of
// them would be the doings of all other hosts, and of whatever else runs on the
// machine. A View shows it those of its host alone: a processor that was used by the
// host's programs, the host's own network interface with the speed of its link, and
// no pressure stall information, of which the kernel keeps none for a part of the
// machine. A Processor is half of one of the machine's, which a cgroup enforces, and
// a Disk is an image in memory.
package busy

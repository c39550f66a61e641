// Package scenario is the experiment that the lab runs on real hosts and links and
// the simulator in virtual time: its file, the least time that it can take, and
// the report of what came of it.
package scenario

// Package fleet runs real agents for end-to-end tests: the binary built from
// this tree, as processes of their own on distinct loopback addresses, with
// certificates, configuration files, state directories and roots made for the
// test. It ends what it started, and nothing else.
//
//	func TestMain(m *testing.M) { fleet.Main(m) }
//
//	func TestX(t *testing.T) {
//		f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
//		f.CLI("publish", dir)
//		f.Agent("ams1-r1-1").Kill()
//	}
//
// All agents share the machine's file system, but a distribution has one path
// on all nodes. So every agent has the same allowed root, Fleet.Root, a symbolic
// link that leads each process into a directory of its own, Agent.Root.
package fleet

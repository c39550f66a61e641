// Package conformance has the tests that every database driver has to pass. They
// start the driver's program as an agent does, in a process of its own, and hold
// it to what pluginapi.DatabaseDriver promises:
//
//	func TestConformance(t *testing.T) {
//		conformance.Test(t, conformance.Config{
//			Program: conformance.Build(t, ".", "mydb"),
//			Source:  runningInstanceIn,
//			Member:  instanceToRestoreIn,
//			Role:    pluginapi.AsReplica,
//			Same:    compareContent,
//		})
//	}
//
// They need a real engine, and leave nothing behind. TestSensor has those that
// every bandwidth sensor has to pass.
package conformance

// Package pluginapi is what a plugin of rackswarm is written against: the
// contracts, and the server side of the processes that fulfil them. It imports
// nothing else of rackswarm, so that a driver of a third party is a small
// program:
//
//	func main() { pluginapi.ServeDatabaseDriver(myDriver{}) }
//
// A BandwidthSensor, which tells how much links carry, is served the same way.
//
// The agent starts the program with hashicorp/go-plugin: gRPC on a unix socket,
// mutual TLS made for each start, no environment of the agent's. It kills the
// program when it is done or when anything goes wrong, and starts it again: what
// must survive lies on the disk or in the database, never in the process.
// core/pluginhost is the other side; pluginapi/conformance has the tests that
// every driver has to pass, and pluginapi/skeleton a driver to begin with.
package pluginapi

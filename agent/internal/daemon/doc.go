// Package daemon wires an agent from its parts and runs it: store, transport,
// swarm loop, reconciler, publisher and the control server.
package daemon

// Package daemon wires an agent from its parts and runs it: store, transport,
// swarm loop, reconciler, publisher, what moves databases, and the control server.
package daemon

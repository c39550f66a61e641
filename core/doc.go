// Package core is the home of what agents, clients and the Terraform provider
// share; it holds nothing itself. Imports point from right to left only:
//
//	unit ← { artifact, topo } ← { wire, trace, overlay, bandwidth, swarm } ← node
//	unit ← api ← client
//	{ unit, artifact, overlay, api, atomicfile } ← store
//
// overlay, bandwidth and swarm do not import one another; node passes values
// between them.
//
// # Decisions
//
// These packages are pure: no goroutine, lock, clock, socket, file or global
// chance. Time is an argument, a timer is a return value, a decision is a value
// that somebody else carries out, so that the same code can run in an agent and
// in a simulation.
//
//   - unit: time, amounts, rates, node names, locations, seeded chance
//   - artifact: manifests, pieces, spans, bitsets, signatures (BEP 52)
//   - topo: the tree of locations, distances, lower bounds
//   - wire: the messages between agents and their codec (BEP 3, BEP 10)
//   - overlay: groups, representatives, whom to connect to (thesis 4.2, 4.4)
//   - bandwidth: how much may be moved when
//   - swarm: what is requested from whom and what is served (thesis 3.7)
//   - node: composes these into one machine, Step and NextDeadline
//   - trace: the lines that record what a machine saw and decided
//
// # Shells
//
//   - api: the types of the control interface (requirement 44)
//   - client: its client; client/pack reads and streams local content
//   - store: coordination in Redis, or in a store embedded in one agent
//   - atomicfile: small files that survive a crash whole
package core

// Package unit holds the quantities that every other package speaks in: points
// in time, amounts and rates of bytes, node names, locations, and a seeded
// source of chance. It is pure: it reads no clock and owns no global state, so
// that the same decisions run in the agent and in the simulator.
package unit

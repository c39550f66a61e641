// Package runner leads runs. Of the agents that may lead a run one holds its
// lease. It reads what is known, has core/restore decide, performs what was
// decided, and writes the run's record. It keeps nothing that the store does not
// have: when it ends, another goes on from there.
package runner

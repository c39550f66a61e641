// Package runner leads runs. Of the agents that may lead a run one holds its
// lease. It reads what is known, has core/restore decide, performs what was
// decided, and writes the run's record. It keeps nothing that the store does not
// have: when it ends, another goes on from there.
//
// Runner.Run owns a goroutine for each run that this agent may lead (lead.go,
// turn.go), one that starts runs that are due (schedules.go) and one that forgets
// old ones (tidy.go). Its other methods are what clients ask for (service.go).
package runner

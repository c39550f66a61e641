package rackswarm

import (
	"context"
	"fmt"
	"syscall"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
)

// corruptSignal has an agent that was built with the tag faults send wrong bytes
// from then on.
const corruptSignal = syscall.SIGUSR2

// Fault strikes agents and the store.
func (f *Fleet) Fault(ctx context.Context, fault scenario.Fault) error {
	switch fault.Action {
	case scenario.KillStore:
		return f.store.kill(ctx)
	case scenario.StartStore:
		return f.store.restart(ctx)
	case scenario.Distribute:
		return f.distributeFurther(ctx, fault)
	}
	a := f.agents[fault.Node]
	if a == nil {
		return system.ErrNotApplicable // it takes no part
	}
	switch fault.Action {
	case scenario.Kill:
		return a.end(syscall.SIGKILL)
	case scenario.Start:
		return a.start()
	case scenario.Corrupt:
		return a.signal(corruptSignal)
	case scenario.Move:
		return a.move(fault)
	case scenario.BusyCPU, scenario.BusyDisk:
		return a.keepBusy(fault)
	}
	return fmt.Errorf("%w: %s", system.ErrNotApplicable, fault.Action)
}

// move starts the agent again at another location.
func (a *agent) move(fault scenario.Fault) error {
	ran := a.running()
	if err := a.end(syscall.SIGTERM); err != nil {
		return err
	}
	a.mu.Lock()
	a.location = fault.To
	a.mu.Unlock()
	if !ran {
		return nil
	}
	return a.start()
}

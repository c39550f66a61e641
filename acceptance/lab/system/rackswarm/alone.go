package rackswarm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/busy"
	"github.com/rackswarm/rackswarm/acceptance/usage"
	"github.com/rackswarm/rackswarm/core/scenario"
)

// alone is what an agent's host has for itself alone, nil what it shares with the
// machine.
type alone struct {
	view      *busy.View
	processor *busy.Processor
	disk      *busy.Disk
}

// setApart gives the agent's host what its faults need, and the agent a view of its
// own host if it is to look at it. The disk is where the agent's directory is.
func (a *agent) setApart() (err error) {
	s := a.fleet.opts.Scenario
	if a.role == keeper {
		return nil // it takes no part, and its host is not one of the scenario's
	}
	if s.StrikesNode(scenario.BusyCPU, a.host.Node) {
		if a.alone.processor, err = busy.NewProcessor(); err != nil {
			return err
		}
	}
	if s.StrikesNode(scenario.BusyDisk, a.host.Node) {
		if a.alone.disk, err = busy.NewDisk(a.dir, s.Artifact.Size); err != nil {
			return err
		}
	}
	if s.Bandwidth == nil || !a.fleet.opts.Aware {
		return nil
	}
	cores := 1.
	if a.alone.processor != nil {
		cores = busy.Cores
	}
	a.alone.view, err = busy.NewView(a.file("view"), cores, a.link)
	return err
}

// keepBusy does what a fault says of the host's processor or disk.
func (a *agent) keepBusy(f scenario.Fault) error {
	lasts := f.For
	if lasts == 0 {
		lasts = a.fleet.opts.Scenario.Deadline
	}
	cmd := func() *exec.Cmd {
		if f.Action == scenario.BusyDisk {
			return a.alone.disk.Use(lasts)
		}
		return a.alone.processor.Use(f.Load, lasts)
	}()
	log, err := os.OpenFile(a.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stderr = log
	p, err := a.host.Start(cmd)
	if err != nil {
		return fmt.Errorf("keep the host of %s busy: %w", a.name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = append(a.others, p)
	return nil
}

// used is what all programs of the host have used of its processor.
func (a *agent) used() (sum time.Duration) {
	a.mu.Lock()
	all := append(append([]*child.Process{}, a.started...), a.others...)
	a.mu.Unlock()
	for _, p := range all {
		sum += usage.CPU(p)
	}
	return sum
}

// viewInterval is how often hosts see what was used of their processors.
const viewInterval = 250 * time.Millisecond

// showUse updates the views until ctx ends.
func (f *Fleet) showUse(ctx context.Context) {
	tick := time.NewTicker(viewInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, a := range f.order {
			if a.alone.view != nil {
				_ = a.alone.view.Update(a.used()) // it fails when memory is full, as all else then
			}
		}
	}
}

// giveBack ends what keeps the host busy and removes what it had for itself. The
// agent has ended.
func (a *agent) giveBack() error {
	for _, p := range a.others {
		p.KillGroup()
		<-p.Exited()
	}
	var errs []error
	if v := a.alone.view; v != nil {
		errs = append(errs, v.Close())
	}
	if p := a.alone.processor; p != nil {
		errs = append(errs, p.Close())
	}
	if d := a.alone.disk; d != nil {
		errs = append(errs, d.Close())
	}
	a.alone = alone{}
	return errors.Join(errs...)
}

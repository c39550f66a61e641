package main

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// nothing distributes nothing, for as long as a good run would take: what probes
// and background traffic see then is the baseline.
type nothing struct{ lasts time.Duration }

// baselineTime is how long nothing is distributed, in bounds.
const baselineTime = 1.2

func newNothing(s *scenario.Scenario) (system.System, error) {
	bound, err := s.Bound()
	if err != nil {
		return nil, err
	}
	return &nothing{min(s.Deadline, time.Duration(baselineTime*float64(bound.Time)))}, nil
}

func (*nothing) Start(context.Context) error                      { return nil }
func (*nothing) Distribute(context.Context) error                 { return nil }
func (*nothing) Join(context.Context, unit.NodeID) error          { return nil }
func (*nothing) State(unit.NodeID) system.State                   { return system.State{} }
func (*nothing) Processes(unit.NodeID) []*child.Process           { return nil }
func (*nothing) Path(unit.NodeID) string                          { return "" }
func (*nothing) Close() error                                     { return nil }
func (*nothing) Fault(context.Context, scenario.Fault) error      { return system.ErrNotApplicable }
func (*nothing) Finish(context.Context, *scenario.Observed) error { return nil }

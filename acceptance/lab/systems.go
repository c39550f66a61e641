package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/lab/system/rackswarm"
	"github.com/rackswarm/rackswarm/acceptance/lab/system/rivals"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
)

// ground is what a system is set up on.
type ground struct {
	network  *network.Network
	scenario *scenario.Scenario
	source   string // the artifact
	dir      string // of the run
	bin      string // directory of our programs
}

// ours are our own systems: each changes what the scenario says of the strategy.
// Those with a plus are the steps from plain to rackswarm. Only this leaves room for
// others.
var ours = []struct {
	name   string
	change func(*rackswarm.Options)
}{
	{"rackswarm", func(o *rackswarm.Options) { o.Aware = true }},
	{"plain", func(o *rackswarm.Options) { leave(&o.Strategy, 0) }},
	{"plain+overlay", func(o *rackswarm.Options) { leave(&o.Strategy, 1) }},
	{"plain+overlay+division", func(o *rackswarm.Options) { leave(&o.Strategy, 2) }},
	{"static", func(o *rackswarm.Options) { o.Static = true }},
}

// leave keeps the first n steps of the strategy.
func leave(s *scenario.Strategy, n int) {
	for i, step := range []*bool{&s.Overlay, &s.Division, &s.Stealing} {
		*step = *step && i < n
	}
}

// nameNone is the system that distributes nothing.
const nameNone = scenario.Baseline

// compared are the systems that a scenario is run with: those that were named and, if it
// has others, nameNone before them, beside which is told what others notice.
func (o *options) compared(s *scenario.Scenario) []string {
	if o.alone || !s.HasOthers() || slices.Contains(o.systems, nameNone) {
		return o.systems
	}
	return append([]string{nameNone}, o.systems...)
}

// systemNames are all that can be compared.
func systemNames() []string {
	var names []string
	for _, s := range ours {
		names = append(names, s.name)
	}
	return append(append(names, nameNone, sim.System), rivals.Names...)
}

// newSystem sets a system up that needs a network; nothing of it runs yet.
func newSystem(name string, g ground) (system.System, error) {
	if name == nameNone {
		return newNothing(g.scenario)
	}
	if slices.Contains(rivals.Names, name) {
		return rivals.New(name, rivals.Setup{Scenario: g.scenario, Network: g.network, Content: g.source, Dir: g.dir})
	}
	for _, s := range ours {
		if s.name != name {
			continue
		}
		o := rackswarm.Options{
			Program: filepath.Join(g.bin, program(g.scenario)), Network: g.network, Scenario: g.scenario,
			Strategy: g.scenario.Strategy, Dir: g.dir, Source: g.source,
		}
		s.change(&o)
		f, err := rackswarm.New(o)
		if err != nil {
			return nil, err // not f, which would be a System that is nil
		}
		return f, nil
	}
	return nil, fmt.Errorf("there is no system %q", name)
}

// program is the file of rackswarm: users' own, unless a node is to send wrong
// bytes.
func program(s *scenario.Scenario) string {
	if s.Strikes(scenario.Corrupt) {
		return "rackswarm-faults"
	}
	return "rackswarm"
}

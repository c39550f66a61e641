package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// act is what happens at a time of the run.
type act struct {
	at   time.Duration
	what string
	do   func(context.Context) error
}

// play has receivers join and faults happen at their times, one after the other,
// until ctx ends.
func (r *round) play(ctx context.Context) {
	for _, a := range r.acts() {
		if pause.For(ctx, a.at-r.since()) != nil {
			return
		}
		err := a.do(ctx)
		switch {
		case errors.Is(err, system.ErrNotApplicable):
			r.note("%s: not done, as the system has no such thing", a.what)
		case err != nil && ctx.Err() == nil:
			r.note("%s: %v", a.what, err)
		}
	}
}

// acts are the joins and faults by their time.
func (r *round) acts() []act {
	var all []act
	for i, at := range r.scenario.Join {
		if node := r.scenario.Receivers[i]; at > 0 {
			all = append(all, act{at, "join of " + string(node), func(ctx context.Context) error { return r.runs.Join(ctx, node) }})
		}
	}
	for _, f := range r.scenario.Faults {
		all = append(all, act{f.At, describe(f), func(ctx context.Context) error { return r.strike(ctx, f) }})
		if f.Action == scenario.Partition && f.For > 0 {
			all = append(all, act{f.At + f.For, "end of " + describe(f), func(context.Context) error { return r.network.Heal(f.Location) }})
		}
	}
	slices.SortStableFunc(all, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	return all
}

// describe names a fault as the scenario does.
func describe(f scenario.Fault) string {
	return strings.TrimSpace(string(f.Action) + " " + cmp.Or(string(f.Node), string(f.Location)))
}

// strike lets a fault happen.
func (r *round) strike(ctx context.Context, f scenario.Fault) error {
	switch f.Action {
	case scenario.Partition:
		return r.network.Partition(f.Location)
	case scenario.SetLink:
		r.samples.capacity(f.Location, f.Link)
		if err := r.network.SetLink(f.Location, f.Link); err != nil || f.Silent {
			return err
		}
		return r.devices.strike(ctx, f)
	case scenario.Device:
		return r.devices.strike(ctx, f)
	case scenario.Slow:
		return r.network.SetHostLink(f.Node, topo.Link{Up: f.Rate, Down: r.hostLink(f.Node).Down})
	case scenario.Move:
		if err := r.network.Move(f.Node, f.To); err != nil {
			return err
		}
	}
	return r.runs.Fault(ctx, f)
}

// hostLink is a host's link as the scenario has it at the beginning.
func (r *round) hostLink(node unit.NodeID) topo.Link {
	i := slices.IndexFunc(r.scenario.Hosts, func(h scenario.Host) bool { return h.Node == node })
	return r.scenario.Hosts[i].Link
}

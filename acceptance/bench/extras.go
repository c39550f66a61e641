package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/filler"
	"github.com/rackswarm/rackswarm/acceptance/usage"
)

// extra is a case that measures something else than content that moves.
type extra struct {
	name    string
	measure func(context.Context, *bench) ([]result, error)
}

var extras = []extra{{"hash", measureHash}, {"idle", measureIdle}, {"neighbour", measureNeighbour}}

// withFleet runs two agents, without TLS, in a round that only holds them.
func (b *bench) withFleet(ctx context.Context, dir string, do func(*fleet) error) error {
	net, err := takeSubnet(2)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, 5*b.timeout)
	defer cancel()
	r := &round{dir: filepath.Join(dir, "round"), receivers: 1, tools: b.tools, net: net}
	return r.hold(func() error {
		f, err := startFleet(bounded, r, 2, false)
		if err != nil {
			return err
		}
		defer f.client.Close()
		return do(f)
	})
}

const idleTime = 30 * time.Second

// measureIdle looks at agents that have nothing to do: just started, and after a
// transfer. Of the two agents the one is meant that does not hold the store.
func measureIdle(ctx context.Context, b *bench) ([]result, error) {
	fresh := result{Case: "idle", System: "rackswarm"}
	after := result{Case: "idle", System: "rackswarm-after-a-transfer"}
	err := b.withFleet(ctx, b.dir, func(f *fleet) error {
		if err := f.idle(ctx, &fresh); err != nil {
			return err
		}
		path := filepath.Join(f.round.dir, "content")
		if err := filler.File(path, b.sizes.mid, 4); err != nil {
			return err
		}
		a, err := f.publish(ctx, path, "content")
		if err != nil {
			return err
		}
		if _, err := f.distribute(ctx, a, "content"); err != nil {
			return err
		}
		return f.idle(ctx, &after)
	})
	return []result{fresh, after}, err
}

// idle waits and measures the second agent.
func (f *fleet) idle(ctx context.Context, into *result) error {
	p := f.agents[1]
	before := p.cpu()
	select {
	case <-time.After(idleTime):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	into.CPUPercent = 100 * (p.cpu() - before).Seconds() / idleTime.Seconds()
	into.RSSMiB = float64(usage.Status(p.Pid(), "VmRSS")) / (1 << 20)
	return p.alive()
}

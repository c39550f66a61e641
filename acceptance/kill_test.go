package acceptance

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// A receiver that is killed again and again fetches nothing twice but what was
// under way.
func TestKilledReceiver(t *testing.T) {
	t.Parallel()
	const (
		size     = 16 << 20
		inFlight = 3 << 20 // a window of requests and what the kernels buffer
		kills    = 4
	)
	nodes := fleet.Racks("ams1/r1", 3)
	nodes[1].Env = []string{"RACKSWARM_LIMITS_UPLOAD=16Mbit"}
	f := fleet.New(t, fleet.Options{Nodes: nodes, Redis: true})
	seed, server, victim := f.Agents()[0], f.Agents()[1], f.Agents()[2]
	seed.Start()
	server.Start()
	f.WaitRegistered()
	src, dest := filepath.Join(t.TempDir(), "big"), filepath.Join(f.Root, "big")
	random(t, filepath.Join(src, "one"), size-1<<20, 0o644)
	for i := range 64 {
		random(t, filepath.Join(src, "many", fmt.Sprint(i)), 1<<14, 0o644)
	}
	f.CLI("distribute", "big", "--source", src, "--path", dest, "--wait")
	sent := on(t, f, "big", server).Sent
	seed.Stop() // the server alone tells how much it gave
	for range kills {
		victim.Start()
		from := on(t, f, "big", server).Sent
		awaitOn(t, f, "big", server, "serves", func(n api.NodeStatus) bool { return n.Sent > from })
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		victim.Kill()
	}
	victim.Start()
	awaitSame(t, src, dest, victim)
	n := awaitOn(t, f, "big", server, "counts what it sent", func(n api.NodeStatus) bool { return n.Sent-sent >= size && n.Rate == 0 })
	if got := n.Sent - sent; got > size+kills*inFlight {
		t.Errorf("%d bytes were sent for %d in %d lives", got, size, kills+1)
	}
}

// When a representative is killed, another takes its place and the others
// finish.
func TestKilledRepresentative(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{
		Nodes: slices.Concat(fleet.Racks("ams1/r1", 1), fleet.Racks("ams1/r2", 4)),
		Env:   []string{"RACKSWARM_LIMITS_UPLOAD=40Mbit"},
	})
	src, dest := filepath.Join(t.TempDir(), "big"), filepath.Join(f.Root, "big")
	random(t, src, 16<<20, 0o644)
	f.CLI("distribute", "big", "--source", src, "--path", dest)
	var victim *fleet.Agent
	fleet.Eventually(t, patience, "a representative fetches", func() error {
		for _, n := range status(f, "big").Nodes {
			if strings.HasPrefix(n.Node, "ams1-r2") && strings.Contains(n.Role, "representative of ams1/r2") && received(n) > 0 {
				victim = f.Agent(n.Node)
				return nil
			}
		}
		return fmt.Errorf("%+v", status(f, "big").Nodes)
	})
	victim.Kill()
	awaitSame(t, src, dest, without(f.Agents(), victim)...)
	victim.Restart()
	awaitSame(t, src, dest, victim)
	awaitInstalled(t, f, "big")
}

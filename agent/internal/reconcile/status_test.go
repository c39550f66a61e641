package reconcile

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestNodeRegistersAndSignsOff(t *testing.T) {
	f := newFleet(t)
	web := f.add("web", "role=web")
	alive := func() bool {
		nodes, err := f.store.Nodes(context.Background())
		return err == nil && len(nodes) == 1 && nodes[0].Alive && nodes[0].Labels["role"] == "web" && !nodes[0].LastSeen.IsZero()
	}
	f.eventually("the node is there", alive)
	web.stop()
	if alive() {
		t.Error("the node is alive after a clean shutdown")
	}
}

func TestStatusWhileSeedingAndAfter(t *testing.T) {
	f := newFleet(t)
	seed, web, late := f.add("seed"), f.add("web"), f.add("late")
	m := seed.publish(bigFiles(6, "content"), "site", publisher)
	f.net.stopAfter(2)
	d := f.want(web.on("site", m.Digest().String()))
	web.until("site", "fetching", func(s api.NodeStatus) bool { return s.Rate == memRate && s.Peers == 1 })
	f.net.stopAfter(-1)
	if s := web.untilInstalled(d); s.Rate != 0 {
		t.Errorf("an installed node receives %d bytes per second", s.Rate)
	}
	f.eventually("the transfer is over", func() bool { return !seed.swarm.joined(m.Digest()) && !web.swarm.joined(m.Digest()) })

	seed.stop() // what follows comes from the first node
	f.net.stopAfter(f.net.moved() + 2)
	e := f.want(late.on("late", m.Digest().String()))
	web.until("site", "seeding", func(s api.NodeStatus) bool {
		return s.Phase == api.PhaseInstalled && s.Sent > 0 && s.Peers == 1 && s.Role != "" && s.Rate == 0
	})
	f.net.stopAfter(-1)
	late.untilInstalled(e)
	s := web.until("site", "done seeding", func(s api.NodeStatus) bool { return s.Peers == 0 && s.Role == "" })
	if s.Sent != int64(m.Size()) || s.Received.ByLevel[0] != int64(m.Size()) {
		t.Errorf("sent %d and received %v of %d bytes", s.Sent, s.Received.ByLevel, m.Size())
	}
}

// A paused node receives nothing: it says so at once, and not what its means come to.
func TestPausedNodeReceivesNothing(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	f.net.stopAfter(2)
	f.want(web.on("site", seed.publish(bigFiles(6, "content"), "site", publisher).Digest().String()))
	moves := func(s api.NodeStatus) bool { return s.Held == nil && s.Rate == memRate && len(s.Top) > 0 }
	web.until("site", "fetching", moves)
	if _, err := web.r.PauseHere(t.Context(), api.Hold{Distribution: "site"}); err != nil {
		t.Fatal(err)
	}
	web.until("site", "paused", func(s api.NodeStatus) bool { return s.Held != nil && s.Rate == 0 && len(s.Top) == 0 })
	for range 3 { // what is reported as time passes
		if _, s, ok := web.r.Report(t.Context(), "site"); !ok || s.Rate != 0 || len(s.Top) != 0 {
			t.Errorf("paused, it reports %+v", s)
		}
		ticked := web.r.cfg.Now()
		f.eventually("time passes", func() bool { return web.r.cfg.Now().Sub(ticked) > tickInterval })
	}
	if _, err := web.r.ResumeHere(t.Context(), "site"); err != nil {
		t.Fatal(err)
	}
	web.until("site", "fetching again", moves)
}

func TestNumbersOfTheMomentDoNotOutliveACrash(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	d := f.want(web.on("site", seed.publish(bigFiles(1, "content"), "site", publisher).Digest().String()))
	web.untilInstalled(d)
	web.stop()
	var rec Record
	if err := readJSON(web.r.state.recordFile("site"), &rec); err != nil {
		t.Fatal(err)
	}
	rec.Status.Rate, rec.Status.Peers, rec.Status.Role = 1, 2, "member"
	if err := writeJSON(web.r.state.recordFile("site"), rec); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	web.start()
	s := web.until("site", "reported again", func(s api.NodeStatus) bool { return s.UpdatedAt.After(began) })
	if s.Rate != 0 || s.Peers != 0 || s.Role != "" {
		t.Errorf("status after a crash: %+v", s)
	}
}

// Who waits for a distribution hears of every step of a node at once.
func TestStepsAreAnnounced(t *testing.T) {
	f := newFleet(t)
	r := newReporter(f.store, slog.New(slog.DiscardHandler))
	hints := f.store.StatusHints(t.Context(), "site")
	hinted := func(what string, do func() error) {
		f.eventually(what, func() bool {
			if err := do(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-hints:
				return true
			default:
				return false
			}
		})
	}
	hinted("the subscription", func() error { return f.store.AnnounceStatus(t.Context(), "site") })
	for _, s := range []api.NodeStatus{
		{Phase: api.PhaseFetching}, {Phase: api.PhaseFetching, Waiting: "no peer is connected"}, {Phase: api.PhaseInstalled},
		{Phase: api.PhaseInstalled, Drifted: true}, {Phase: api.PhaseInstalled, Generation: 2}, {Phase: api.PhaseInstalled, Verified: 1},
	} {
		hinted("a step", func() error { return r.write(t.Context(), "site", s) })
		s.BytesDone = 7
		if err := r.write(t.Context(), "site", s); err != nil || r.told["site"] != milestoneOf(s) {
			t.Errorf("other numbers: %v", err)
		}
	}
}

package control_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

func TestWatchFollows(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"})
	f.must(err)
	started, installed := time.Now().Add(-time.Second), time.Now()
	steps := []api.NodeStatus{
		{Node: "web1", Phase: api.PhaseFetching, Digest: digest, Generation: 1, BytesDone: 500, StartedAt: &started},
		{Node: "web1", Phase: api.PhaseInstalled, Digest: digest, Generation: 1, Installed: digest, StartedAt: &started, InstalledAt: &installed},
	}
	var phases []api.Phase
	err = f.client.Watch(f.ctx, "app", true, func(st api.Status) error {
		phases = append(phases, st.Nodes[0].Phase)
		if len(steps) > 0 {
			f.report("app", steps[0])
			steps = steps[1:]
		}
		return nil
	})
	f.must(err)
	want := []api.Phase{api.PhasePending, api.PhaseFetching, api.PhaseInstalled}
	if len(phases) != 3 || phases[0] != want[0] || phases[1] != want[1] || phases[2] != want[2] {
		t.Fatalf("saw %v", phases)
	}
}

func TestWatchEndsWithTheDistribution(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: f.artifact(1), Path: "/srv/app"})
	f.must(err)
	err = f.client.Watch(f.ctx, "app", true, func(api.Status) error { return f.client.DeleteDistribution(f.ctx, "app", false) })
	wantError(t, err, api.CodeNotFound, "app")
	enough := errors.New("enough")
	_, err = f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: f.artifact(1), Path: "/srv/app"})
	f.must(err)
	if err := f.client.Watch(f.ctx, "app", false, func(api.Status) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the callback's error became %v", err)
	}
	err = f.client.Watch(f.ctx, "nope", false, func(api.Status) error { return nil })
	wantError(t, err, api.CodeNotFound, "nope")
}

// A watch goes on when the agent restarts.
func TestWatchReconnects(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"})
	f.must(err)
	seen := 0
	err = f.client.Watch(f.ctx, "app", true, func(api.Status) error {
		if seen++; seen == 1 {
			f.stop()
			f.report("app", api.NodeStatus{Node: "web1", Phase: api.PhaseInstalled, Digest: digest, Generation: 1, Installed: digest})
			serveOn(t, f.store, func(c *control.Config) { c.Socket = f.socket })
		}
		return nil
	})
	f.must(err)
	if seen != 2 {
		t.Fatalf("%d statuses", seen)
	}
}

// How long after a node's report a watcher hears of it, without and with a hint,
// in a fleet of so many nodes. Reports come at any time of the watcher's interval.
func BenchmarkWatchHears(b *testing.B) {
	for _, hint := range []bool{false, true} {
		for _, nodes := range []int{2, 1000} {
			b.Run(fmt.Sprintf("hint=%v/nodes=%d", hint, nodes), func(b *testing.B) { benchmarkWatch(b, nodes, hint) })
		}
	}
}

func benchmarkWatch(b *testing.B, nodes int, hint bool) {
	f := serve(b, nil)
	for i := range nodes {
		f.node(fmt.Sprintf("web%d", i), "ams1/r1", nil)
	}
	digest := f.artifact(1)
	_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"})
	f.must(err)
	report := api.NodeStatus{Phase: api.PhaseFetching, Digest: digest, Generation: 1}
	for i := range nodes {
		report.Node = fmt.Sprintf("web%d", i)
		f.report("app", report)
	}
	report.Node = "web1"
	heard, ctx := make(chan int64, 1024), f.ctx
	go func() {
		_ = f.client.Watch(ctx, "app", false, func(st api.Status) error {
			for _, n := range st.Nodes {
				if n.Node == "web1" && n.BytesDone > 0 {
					heard <- n.BytesDone
				}
			}
			return nil
		})
	}()
	var late time.Duration
	rounds := int64(0)
	for b.Loop() {
		time.Sleep(time.Duration(rounds*137%500) * time.Millisecond)
		rounds++
		report.BytesDone = rounds
		began := time.Now()
		f.report("app", report)
		if hint {
			f.must(f.store.AnnounceStatus(f.ctx, "app"))
		}
		for <-heard < rounds {
		}
		late += time.Since(began)
	}
	b.ReportMetric(float64(late.Milliseconds())/float64(rounds), "ms-late")
}

// However many clients watch a distribution, the store has hardly more connections for
// it than for one.
func TestManyWatchers(t *testing.T) {
	const watchers = 60
	r := storetest.StartRedis(t)
	st, err := store.Open(t.Context(), store.Config{URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	f := serveOn(t, st, nil)
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	_, err = f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"})
	f.must(err)
	begun, ended := make(chan struct{}, watchers), make(chan error, watchers)
	for range watchers {
		go func() {
			first := true
			ended <- f.client.Watch(f.ctx, "app", true, func(api.Status) error {
				if first {
					first = false
					begun <- struct{}{}
				}
				return nil
			})
		}()
	}
	for range watchers {
		<-begun
	}
	c, err := net.Dial("tcp", r.Addr)
	f.must(err)
	defer c.Close()
	_, err = c.Write([]byte("CLIENT LIST TYPE pubsub\r\n"))
	f.must(err)
	size, err := bufio.NewReader(c).ReadString('\n')
	f.must(err)
	if n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(size, "$"))); err != nil || n > 2000 { // about 300 bytes for each
		t.Errorf("the list of subscribers takes %q bytes, %v", size, err)
	}
	f.report("app", api.NodeStatus{Node: "web1", Phase: api.PhaseInstalled, Digest: digest, Generation: 1, Installed: digest})
	for range watchers {
		f.must(<-ended)
	}
}

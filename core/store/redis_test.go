package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedis(t)
	storetest.Run(t, storetest.Backend{Config: store.Config{URL: r.URL}, Kill: r.Kill, Restart: r.Restart})
}

// TestRedisTLS uses an ACL user with exactly the rights that the package's
// documentation names.
func TestRedisTLS(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedisTLS(t, "--user", "default", "off",
		"--user", "agent", "on", ">secret", "~rackswarm:*", "&rackswarm:*", "+@all", "-@dangerous", "-@admin")
	storetest.Run(t, storetest.Backend{
		Config: store.Config{URL: r.URL, TLS: r.TLS, Username: "agent", Password: "secret"},
		Kill:   r.Kill, Restart: r.Restart,
	})
}

// TestCluster: every script finds its keys on one shard, and a watcher hears
// the groups of all shards over one connection, however the Cluster is named.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := storetest.StartCluster(t, 3)
	storetest.Run(t, storetest.Backend{Config: store.Config{Addrs: []string{nodes[0].Addr, nodes[1].Addr}}})
	for _, cfg := range []store.Config{
		{URL: nodes[2].URL, Cluster: true},
		{URL: nodes[1].URL + "?addr=" + nodes[0].Addr},
	} {
		s := open(t, cfg)
		put(t, s, "one") // on another shard than the nodes
		must(t, s.PutNode(t.Context(), api.Node{Name: "a"}, time.Hour))
	}
}

// TestSentinel: a fail-over is an outage that heals by itself.
func TestSentinel(t *testing.T) {
	t.Parallel()
	sentinel, first, second, master := storetest.StartSentinel(t)
	s := open(t, store.Config{Addrs: []string{sentinel.Addr}, MasterName: master})
	k := store.GroupKey{Digest: artifact.Digest{1}, Location: "ams1"}
	w := s.Watch(t.Context())
	w.AddGroup(k)
	join := func() error { return s.JoinGroup(t.Context(), k, overlay.Member{Node: "a"}, time.Hour) }
	await(t, w, "up", func(ev store.Event) bool { return ev == store.Up{} })
	must(t, join())
	joined := func(ev store.Event) bool { g, ok := ev.(store.GroupChanged); return ok && len(g.Group.Members) == 1 }
	await(t, w, "joined", joined)

	first.Kill()
	await(t, w, "down", func(ev store.Event) bool { _, ok := ev.(store.Down); return ok })
	await(t, w, "up on "+second.Addr, func(ev store.Event) bool { return ev == store.Up{} })
	for end := time.Now().Add(30 * time.Second); join() != nil; {
		if time.Now().After(end) {
			t.Fatal(join())
		}
	}
	await(t, w, "joined again", joined)
}

// await takes events until one is as wanted.
func await(t *testing.T, w *store.Watcher, what string, wanted func(store.Event) bool) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case ev := <-w.Events():
			if wanted(ev) {
				return
			}
		case <-timeout:
			t.Fatalf("%s: not told in time", what)
		}
	}
}

// TestFrozenServer: a server that keeps its connections but does not answer is
// noticed as well.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedis(t)
	w := open(t, store.Config{URL: r.URL}).Watch(t.Context())
	await(t, w, "up", func(ev store.Event) bool { return ev == store.Up{} })
	r.Freeze()
	await(t, w, "down", func(ev store.Event) bool {
		d, ok := ev.(store.Down)
		return ok && errors.Is(d.Err, store.ErrUnreachable)
	})
	r.Thaw()
	await(t, w, "up again", func(ev store.Event) bool { return ev == store.Up{} })
}

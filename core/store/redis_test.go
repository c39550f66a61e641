package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
	"github.com/rackswarm/rackswarm/core/unit"
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
	s := open(t, store.Config{URL: r.URL})
	k := store.GroupKey{Digest: artifact.Digest{1}, Location: "ams1"}
	must(t, s.JoinGroup(t.Context(), k, overlay.Member{Node: "a"}, time.Hour))
	w := s.Watch(t.Context())
	w.AddGroup(k)
	up := func(ev store.Event) bool { return ev == store.Up{} }
	group := func(ev store.Event) bool { _, ok := ev.(store.GroupChanged); return ok }
	await(t, w, "up", up)
	await(t, w, "the group", group)
	r.Freeze()
	await(t, w, "down", func(ev store.Event) bool {
		d, ok := ev.(store.Down)
		return ok && errors.Is(d.Err, store.ErrUnreachable)
	})
	r.Thaw()
	await(t, w, "up again", up)
	await(t, w, "the group again, which has not changed", group)
}

// TestServerTakesNoWrites: a server that answers, but is full or only reads, counts as
// one that is away, whichever way something is written, and the error says what is
// wrong with it.
func TestServerTakesNoWrites(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, says string
		make       []any
	}{
		{"full", "maxmemory", []any{"CONFIG", "SET", "maxmemory", "1"}},
		{"a replica", "master", []any{"REPLICAOF", "127.0.0.1", "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := storetest.StartRedis(t)
			s, ctx := open(t, store.Config{URL: r.URL}), t.Context()
			raw := redis.NewClient(&redis.Options{Addr: r.Addr})
			defer raw.Close()
			must(t, raw.Do(ctx, test.make...).Err())
			rate := int64(1)
			for what, err := range map[string]error{
				"a command":   s.PutLink(ctx, api.Link{Location: "ams1", Up: &rate}),
				"a script":    s.JoinGroup(ctx, store.GroupKey{Location: "ams1"}, overlay.Member{Node: "a"}, time.Hour),
				"transaction": s.PutStatus(ctx, "one", api.NodeStatus{Node: "a"}),
				"watched transaction": s.UpdateHolds(ctx, func(map[string]api.Hold) ([]api.Hold, []string, error) {
					return []api.Hold{{Distribution: "one", Kind: api.HoldPause}}, nil, nil
				}),
				"schedule": s.UpdateSchedule(ctx, "one", func(*api.Schedule) (*api.Schedule, error) { return &api.Schedule{}, nil }),
			} {
				var e *api.Error
				if !errors.Is(err, store.ErrUnreachable) || !errors.As(err, &e) || e.Code != api.CodeStoreDown {
					t.Errorf("%s: %v", what, err)
				} else if e.Subject != r.Addr || !strings.Contains(e.Message, "takes no writes") || !strings.Contains(e.Fix, test.says) {
					t.Errorf("%s: %v", what, e)
				}
			}
		})
	}
}

// TestDeadTransfersLeaveNothing: every key of a transfer has an end, whatever
// was done last.
func TestDeadTransfersLeaveNothing(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedis(t)
	s, ctx := open(t, store.Config{URL: r.URL}), t.Context()
	d := artifact.Digest{1}
	for _, loc := range []unit.Location{"", "ams1", "ams1/r1", "ams1/r2"} {
		k := store.GroupKey{Digest: d, Location: loc}
		must(t, s.JoinGroup(ctx, k, overlay.Member{Node: "a"}, 2*time.Hour))
		slot, _, err := s.ClaimSlot(ctx, k, "a", 2, time.Minute)
		must(t, err)
		switch loc {
		case "ams1":
			must(t, s.ReleaseSlot(ctx, k, "a", slot))
		case "ams1/r1":
			must(t, s.LeaveGroup(ctx, k, "a"))
		case "ams1/r2":
			_, _, err = s.ClaimSlot(ctx, k, "b", 0, time.Minute)
			must(t, err)
		}
		must(t, s.SetPending(ctx, d, unit.NodeID("n"), loc, time.Minute))
	}
	must(t, s.PutStatus(ctx, "one", api.NodeStatus{Node: "a"}))
	must(t, s.PutNode(ctx, api.Node{Name: "a"}, time.Minute))
	raw := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer raw.Close()
	keys, err := raw.Keys(ctx, "*").Result()
	must(t, err)
	if len(keys) < 4*3+2 {
		t.Fatalf("only these keys: %v", keys)
	}
	for _, key := range keys {
		ttl, err := raw.PTTL(ctx, key).Result()
		must(t, err)
		if ttl <= 0 && key != "rackswarm:{nodes}:known" {
			t.Errorf("%s has no end (%v)", key, ttl)
		}
		if strings.HasSuffix(key, ":leases") && ttl < 2*time.Hour {
			t.Errorf("%s ends in %v, before the lease in it", key, ttl)
		}
	}
}

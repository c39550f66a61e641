package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// outage kills the store under a watcher and brings it back.
func outage(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1")
	w := watch(t, s)
	w.AddGroup(k)
	w.AddRun("one")
	const changes = 20
	for i := range changes {
		must(t, s.JoinGroup(c, k, member("a", i), long))
	}
	before := read(t, s, k).Version
	w.await("the last change", func(v *viewer) bool { return v.groups[k].Version == before && v.reported["one"] == 1 })

	b.Kill()
	w.await("down", func(v *viewer) bool { return !v.up })
	wantUnreachable(t, s, w.down)
	wantUnreachable(t, s, s.JoinGroup(c, k, member("a", 0), long))
	_, err := s.Nodes(c)
	wantUnreachable(t, s, err)
	_, _, err = s.CreateRun(c, seedRun("one"))
	wantUnreachable(t, s, err)
	_, err = s.Lease(c, "one", "a", long)
	wantUnreachable(t, s, err)
	wantUnreachable(t, s, s.UpdateDistributions(c, func(map[string]api.Distribution) ([]api.Distribution, []string, error) { return nil, nil, nil }))

	clear(w.groups)
	b.Restart()
	w.await("up", func(v *viewer) bool { return v.up })
	w.await("the group and the run again", func(v *viewer) bool { return len(v.groups) == 1 && v.reported["one"] == 2 })
	must(t, s.JoinGroup(c, k, member("a", 0), long))
	must(t, s.JoinGroup(c, k, member("b", 0), long))
	w.await("who has joined again", func(v *viewer) bool { return len(v.groups[k].Members) == 2 })
	if now := w.groups[k].Version; now <= before {
		t.Fatalf("version %d before the outage, %d after", before, now)
	}
	equal(t, "ups", w.ups, 2)
}

func wantUnreachable(t *testing.T, s *store.Store, err error) {
	t.Helper()
	var apiErr *api.Error
	if !errors.Is(err, store.ErrUnreachable) || !errors.As(err, &apiErr) {
		t.Fatalf("got %v, want ErrUnreachable", err)
	}
	if apiErr.Code != api.CodeStoreDown || !strings.Contains(apiErr.Subject, "127.0.0.1:") || apiErr.Fix == "" {
		t.Fatalf("got %#v", apiErr)
	}
}

// downAtStart: a store that is not there yet is told of, and found when it is.
func downAtStart(t *testing.T, b Backend) {
	b.Kill()
	s := b.open(t)
	w := newViewer(t, s)
	k := group(t, "ams1")
	w.AddGroup(k)
	w.await("down", func(v *viewer) bool { return v.down != nil })
	wantUnreachable(t, s, w.down)
	wantUnreachable(t, s, s.Ping(ctx(t)))
	b.Restart()
	w.await("up", func(v *viewer) bool { return v.up })
	w.await("the group", func(v *viewer) bool { return len(v.groups) == 1 })
	must(t, s.Ping(ctx(t)))
}

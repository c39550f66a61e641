package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestRetryDelay(t *testing.T) {
	rng := unit.NewRand(1)
	for _, c := range []struct {
		failures int
		code     string
		most     time.Duration
	}{
		{1, api.CodeIO, time.Second}, {2, api.CodeIO, 2 * time.Second}, {6, api.CodeIO, 32 * time.Second},
		{7, api.CodeIO, time.Minute}, {1000, api.CodeIO, time.Minute},
		{1, api.CodeNoSpace, 15 * time.Second}, {2, api.CodeForeignContent, 30 * time.Second}, {9, api.CodeNoSpace, time.Minute},
	} {
		got := retryDelay(c.failures, &api.Error{Code: c.code}, rng)
		if got > c.most || got < c.most*3/4 {
			t.Errorf("failure %d with %s: wait %v, want %v less up to a quarter", c.failures, c.code, got, c.most)
		}
	}
}

func TestErrorsOfTheMachineBecomeErrorsForPeople(t *testing.T) {
	known := &api.Error{Code: api.CodeNoSpace, Subject: "/srv"}
	if got := asAPIError(errors.Join(errors.New("x"), known), "site"); got != known {
		t.Errorf("an error that is one already became %+v", got)
	}
	if got := asAPIError(errors.New("odd"), "site"); got.Code != api.CodeInternal || got.Subject != "site" || got.Message != "odd" || got.Fix == "" {
		t.Errorf("an odd error became %+v", got)
	}
}

func TestTrafficAddsUp(t *testing.T) {
	before := traffic{api.Received{ByLevel: []int64{1, 2}, Seeder: 3, Duplicate: 4}, 5}
	sum := before.plus(swarmapi.Stats{Received: api.Received{ByLevel: []int64{10, 20, 30}, Seeder: 40, Duplicate: 50}, Sent: 60})
	if got := sum.received.ByLevel; len(got) != 3 || got[0] != 11 || got[1] != 22 || got[2] != 30 {
		t.Errorf("by level: %v", got)
	}
	if sum.received.Seeder != 43 || sum.received.Duplicate != 54 || sum.sent != 65 {
		t.Errorf("sum: %+v", sum)
	}
	if before.received.ByLevel[0] != 1 {
		t.Error("adding changed what it was added to")
	}
}

func TestReportsOutliveAnOutage(t *testing.T) {
	f := newFleet(t)
	r := newReporter(f.store, slog.New(slog.DiscardHandler))
	f.stopStore()
	r.put("site", api.NodeStatus{Node: "web", Phase: api.PhaseFetching}, true)
	if r.flush(context.Background(), patience, true) {
		t.Fatal("a status was written while the store was down")
	}
	r.put("site", api.NodeStatus{Node: "web", Phase: api.PhaseInstalled}, true)
	r.put("other", api.NodeStatus{Node: "web"}, true)
	r.drop("other")
	f.startStore()
	f.eventually("the reports are written", func() bool { return r.flush(context.Background(), patience, true) })
	if s := (&node{f: f, api: api.Node{Name: "web"}}).status("site"); s.Phase != api.PhaseInstalled {
		t.Errorf("the store holds %+v, want the newest", s)
	}
	if all, err := f.store.Statuses(context.Background(), "other"); err != nil || len(all) != 0 {
		t.Errorf("a report that was taken back is there: %v, %v", all, err)
	}
}

func TestStateSurvivesDamage(t *testing.T) {
	dir := t.TempDir()
	s, err := openState(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", "../odd/name", "bad"} {
		if err := s.saveRecord(&Record{Name: name, Verified: 7}); err != nil {
			t.Fatal(err)
		}
	}
	damaged := errors.Join(
		os.WriteFile(s.recordFile("bad"), []byte("{"), 0o600),
		os.WriteFile(s.recordFile("empty"), []byte("{}"), 0o600),
		os.WriteFile(s.file("desired"), nil, 0o600))
	if damaged != nil {
		t.Fatal(damaged)
	}
	got, err := s.loadRecords()
	if err != nil || len(got) != 2 || got["good"].Verified != 7 || got["../odd/name"] == nil {
		t.Errorf("records %v, error %v; want the two that are intact", got, err)
	}
	if _, ok := s.loadDesired(); ok {
		t.Error("a damaged desired state was taken")
	}
	if _, err := os.Stat(filepath.Join(dir, "odd")); !os.IsNotExist(err) {
		t.Error("a name led out of the directory")
	}
	if err := errors.Join(s.dropRecord("good"), s.dropRecord("good")); err != nil {
		t.Errorf("drop a record twice: %v", err)
	}
}

func TestLeftoverIsWhatNeverCameToStand(t *testing.T) {
	at := func(path string) api.Distribution { return api.Distribution{Name: "site", Path: path} }
	rec := &Record{Name: "site"}
	rec.begin(at("/srv/a"))
	rec.begin(at("/srv/a"))
	if rec.Leftover != nil {
		t.Fatalf("leftover %+v of work that goes on", rec.Leftover)
	}
	rec.begin(at("/srv/b"))
	if rec.Leftover == nil || rec.Leftover.Path != "/srv/a" {
		t.Fatalf("leftover %+v, want that at /srv/a", rec.Leftover)
	}
	standing := at("/srv/b")
	rec.Standing, rec.Leftover = &standing, nil
	rec.begin(at("/srv/c"))
	if rec.Leftover != nil {
		t.Errorf("leftover %+v, but it stands", rec.Leftover)
	}
}

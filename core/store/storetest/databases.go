package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func backups(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	_, err := s.Backup(c, "main-1")
	wantNotFound(t, err, "main-1")
	taken := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	backup := func(database string, day int) api.Backup {
		return api.Backup{
			ID: fmt.Sprint(database, "-", day), Database: database, Copies: []string{"a", "b"},
			Content: api.BackupContent{Driver: "postgres", DataBytes: 1 << 40}, TakenAt: taken.AddDate(0, 0, day),
		}
	}
	for _, one := range []api.Backup{backup("main", 1), backup("main", 2), backup("aux", 1), backup("main", 3)} {
		must(t, s.PutBackup(c, one))
	}
	verified := backup("main", 2)
	verified.VerifiedAt = taken
	must(t, s.PutBackup(c, verified))
	got, err := s.Backup(c, "main-2")
	must(t, err)
	equal(t, "backup", got, verified)
	must(t, s.DeleteBackup(c, "main-1"))
	wantNotFound(t, s.DeleteBackup(c, "main-1"), "main-1")
	all, err := s.Backups(c)
	must(t, err)
	equal(t, "by database, newest first", all, []api.Backup{backup("aux", 1), backup("main", 3), verified})
}

func schedules(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	put := func(name, when string) {
		must(t, s.UpdateSchedule(c, name, func(old *api.Schedule) (*api.Schedule, error) {
			equal(t, "what stood", old, nil)
			return &api.Schedule{When: when}, nil
		}))
	}
	put("nightly", "@daily")
	put("hourly", "@hourly")
	must(t, s.UpdateSchedule(c, "nightly", func(old *api.Schedule) (*api.Schedule, error) {
		old.LastRun = "nightly-1"
		return old, nil
	}))
	refuse := &api.Error{Code: api.CodeConflict, Subject: "x"}
	err := s.UpdateSchedule(c, "nightly", func(*api.Schedule) (*api.Schedule, error) { return nil, refuse })
	if err != error(refuse) { //nolint:errorlint // the same error, not one around it
		t.Fatalf("the update's own error: got %v", err)
	}
	for _, name := range []string{"nightly", "none"} {
		must(t, s.UpdateSchedule(c, name, func(*api.Schedule) (*api.Schedule, error) { return nil, nil })) //nolint:nilnil // changes nothing
	}
	all, err := s.Schedules(c)
	must(t, err)
	equal(t, "by name", all, []api.Schedule{{Name: "hourly", When: "@hourly"}, {Name: "nightly", When: "@daily", LastRun: "nightly-1"}})
	must(t, s.DeleteSchedule(c, "hourly"))
	wantNotFound(t, s.DeleteSchedule(c, "hourly"), "hourly")
	all, err = s.Schedules(c)
	must(t, err)
	equal(t, "what is left", len(all), 1)
}

// scheduleUpdatesAreTransactions counts up from many sides: none is lost.
func scheduleUpdatesAreTransactions(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	const writers, each = 6, 5
	longer := func(old *api.Schedule) (*api.Schedule, error) {
		if old == nil {
			return &api.Schedule{When: "x"}, nil
		}
		old.When += "x"
		return old, nil
	}
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			for range each {
				errs[i] = errors.Join(errs[i], s.UpdateSchedule(c, "nightly", longer))
			}
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	all, err := s.Schedules(c)
	must(t, err)
	equal(t, "count", len(all[0].When), writers*each)
}

func leases(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	take := func(name, owner string, ttl time.Duration) bool {
		held, err := s.Lease(c, name, owner, ttl)
		must(t, err)
		return held
	}
	equal(t, "free", take("one", "a", long), true)
	equal(t, "another's", take("one", "b", long), false)
	equal(t, "another lease", take("two", "b", long), true)
	must(t, s.ReleaseLease(c, "one", "b"))
	must(t, s.ReleaseLease(c, "none", "b"))
	equal(t, "still another's", take("one", "b", long), false)
	must(t, s.ReleaseLease(c, "one", "a"))
	equal(t, "released", take("one", "b", long), true)
	equal(t, "renewed, for less", take("one", "b", short), true)
	eventually(t, "expired", true, func() bool { return take("one", "a", long) })
	equal(t, "the former owner's", take("one", "b", long), false)
}

// leasesHaveOneOwner: of many who ask at once, one gets it.
func leasesHaveOneOwner(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	var owners atomic.Int32
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			held, err := s.Lease(c, "one", fmt.Sprint("n", i), long)
			if errs[i] = err; held {
				owners.Add(1)
			}
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	equal(t, "owners", owners.Load(), int32(1))
}

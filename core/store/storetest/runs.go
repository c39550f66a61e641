package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// seedRun is a run with a source and two members.
func seedRun(id string) api.Run {
	return api.Run{
		ID: id, Request: api.RunRequest{Database: "main", Source: "p"}, Phase: api.RunPlanned,
		Source:    &api.RunPart{Node: "p", Goal: api.GoalProbe},
		Members:   []api.RunPart{{Node: "b", Location: "ams1/r2"}, {Node: "a", Location: "ams1/r1"}},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func create(t *testing.T, s *store.Store, r api.Run) api.Run {
	t.Helper()
	stands, created, err := s.CreateRun(ctx(t), r)
	must(t, err)
	equal(t, "created", created, true)
	return stands
}

func runs(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	_, err := s.Run(c, "one")
	wantNotFound(t, err, "one")
	one, two := seedRun("one"), seedRun("two")
	two.CreatedAt = one.CreatedAt.Add(time.Second)
	one, two = create(t, s, one), create(t, s, two)
	equal(t, "first generation", one.Generation, int64(1))
	got, err := s.Run(c, "one")
	must(t, err)
	equal(t, "run", got, one)
	all, err := s.Runs(c)
	must(t, err)
	equal(t, "newest first", all, []api.Run{two, one})
	must(t, s.DeleteRun(c, "one"))
	wantNotFound(t, s.DeleteRun(c, "one"), "one")
	_, err = s.PutRun(c, one)
	wantNotFound(t, err, "one")
	_, err = s.UpdateRun(c, "one", func(r api.Run) (api.Run, error) { return r, nil })
	wantNotFound(t, err, "one")
	all, err = s.Runs(c)
	must(t, err)
	equal(t, "what is left", all, []api.Run{two})
}

// runsAreCreatedOnce: of many who start the same run, one does, and all get it.
func runsAreCreatedOnce(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	const starters = 8
	stands, created, errs := make([]api.Run, starters), make([]bool, starters), make([]error, starters)
	var wg sync.WaitGroup
	for i := range starters {
		wg.Go(func() {
			r := seedRun("nightly-1")
			r.Runner = fmt.Sprint("n", i)
			stands[i], created[i], errs[i] = s.CreateRun(c, r)
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	got, err := s.Run(c, "nightly-1")
	must(t, err)
	times := 0
	for i := range starters {
		equal(t, "what stands", stands[i], got)
		if created[i] {
			equal(t, "who created it", fmt.Sprint("n", i), got.Runner)
			times++
		}
	}
	equal(t, "times created", times, 1)
}

// runsAreSwapped: who has not seen the last change writes nothing.
func runsAreSwapped(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	old := create(t, s, seedRun("one"))
	next := old
	next.Phase = api.RunPreflight
	next, err := s.PutRun(c, next)
	must(t, err)
	equal(t, "generation", next.Generation, int64(2))
	old.Phase = api.RunFailed
	_, err = s.PutRun(c, old)
	var apiErr *api.Error
	if !errors.Is(err, store.ErrContended) || !errors.As(err, &apiErr) || apiErr.Code != api.CodeConflict || apiErr.Subject != "one" {
		t.Fatalf("a stale run: got %v", err)
	}
	got, err := s.Run(c, "one")
	must(t, err)
	equal(t, "run", got, next)
}

func runUpdates(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	one := create(t, s, seedRun("one"))
	refuse := &api.Error{Code: api.CodeConflict, Subject: "x"}
	_, err := s.UpdateRun(c, "one", func(r api.Run) (api.Run, error) { return r, refuse })
	if err != error(refuse) { //nolint:errorlint // the same error, not one around it
		t.Fatalf("the update's own error: got %v", err)
	}
	same, err := s.UpdateRun(c, "one", func(r api.Run) (api.Run, error) { return r, nil })
	must(t, err)
	equal(t, "nothing changed", same, one)
	changed, err := s.UpdateRun(c, "one", func(r api.Run) (api.Run, error) {
		r.Source.Goal, r.Generation, r.ID = api.GoalCapture, 70, "other"
		return r, nil
	})
	must(t, err)
	got, err := s.Run(c, "one")
	must(t, err)
	equal(t, "changed in place", got, changed)
	equal(t, "goal", string(got.Source.Goal), string(api.GoalCapture))
	equal(t, "generation", got.Generation, int64(2))

	const writers, each = 6, 5
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			for range each {
				_, err := s.UpdateRun(c, "one", func(r api.Run) (api.Run, error) {
					r.Distributions = append(r.Distributions, fmt.Sprint("d", len(r.Distributions)))
					return r, nil
				})
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	got, err = s.Run(c, "one")
	must(t, err)
	equal(t, "changes", len(got.Distributions), writers*each)
}

func partReports(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	wantNotFound(t, s.PutPartReport(c, "one", api.PartReport{Node: "a"}), "one")
	r := create(t, s, seedRun("one"))
	create(t, s, seedRun("other"))
	report := func(node string, state api.PartState) api.PartReport {
		p := api.PartReport{Node: node, State: state, Progress: &api.Progress{Done: 7}}
		must(t, s.PutPartReport(c, "one", p))
		return p
	}
	report("p", api.PartProbed)
	p, a, foreign := report("p", api.PartPinned), report("a", api.PartProbed), report("nobody", api.PartStuck)
	all, err := s.PartReports(c, "one")
	must(t, err)
	equal(t, "reports, by node", all, []api.PartReport{a, foreign, p})
	got, err := s.Run(c, "one")
	must(t, err)
	equal(t, "source", got.Source.Report, p)
	equal(t, "members", []api.PartReport{got.Members[0].Report, got.Members[1].Report}, []api.PartReport{{}, a})

	got.Members[0].Unreachable = true
	put, err := s.PutRun(c, got)
	must(t, err)
	equal(t, "the caller's reports", put.Source.Report, p)
	list, err := s.Runs(c)
	must(t, err)
	r.Generation++
	equal(t, "the records", list, []api.Run{r, seedRunAt("other", 1)})

	must(t, s.DeleteRun(c, "one"))
	wantNotFound(t, s.PutPartReport(c, "one", p), "one")
	all, err = s.PartReports(c, "one")
	must(t, err)
	equal(t, "reports on a deleted run", len(all), 0)
}

func seedRunAt(id string, generation int64) api.Run {
	r := seedRun(id)
	r.Generation = generation
	return r
}

// largeReports: what a driver says cannot fill the store.
func largeReports(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	create(t, s, seedRun("one"))
	report := func(bytes int) api.PartReport {
		return api.PartReport{Node: "a", Error: &api.Error{Code: api.CodeIO, Message: strings.Repeat("x", bytes)}}
	}
	must(t, s.PutPartReport(c, "one", report(63<<10)))
	err := s.PutPartReport(c, "one", report(64<<10))
	var apiErr *api.Error
	if !errors.As(err, &apiErr) || apiErr.Code != api.CodeInvalid || apiErr.Subject != "a" || apiErr.Fix == "" {
		t.Fatalf("a report that is too large: got %v", err)
	}
	all, err := s.PartReports(c, "one")
	must(t, err)
	equal(t, "what stands", all, []api.PartReport{report(63 << 10)})
}

// runsAreTold: changes of records to all, reports to those who ask.
func runsAreTold(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	leader, member := watch(t, s), watch(t, s)
	one := create(t, s, seedRun("one"))
	for _, w := range []*viewer{leader, member} {
		w.await("a new run", func(v *viewer) bool { return v.moved["one"] == 1 })
	}
	leader.AddRun("one")
	leader.AddRun("one")
	leader.await("the reports so far", func(v *viewer) bool { return v.reported["one"] == 1 })
	must(t, s.PutPartReport(c, "one", api.PartReport{Node: "a"}))
	leader.await("a report", func(v *viewer) bool { return v.reported["one"] == 2 })
	equal(t, "runs told", leader.moved, map[string]int{"one": 1})

	_, err := s.PutRun(c, one)
	must(t, err)
	leader.await("a change", func(v *viewer) bool { return v.moved["one"] == 2 })
	_, err = s.PutRun(c, one)
	equal(t, "contended", errors.Is(err, store.ErrContended), true)
	_, _, err = s.CreateRun(c, one)
	must(t, err)
	_, err = s.UpdateRun(c, "one", func(r api.Run) (api.Run, error) { return r, nil })
	must(t, err)
	must(t, s.DeleteRun(c, "one"))
	create(t, s, seedRun("two"))
	member.await("the next run", func(v *viewer) bool { return v.moved["two"] == 1 })
	equal(t, "reports told to a member", member.reported, map[string]int{})
	leader.await("the next run", func(v *viewer) bool { return v.moved["two"] == 1 })
	equal(t, "runs told", leader.moved, map[string]int{"one": 3, "two": 1})
}

func removedRunsAreSilent(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	create(t, s, seedRun("one"))
	create(t, s, seedRun("two"))
	w := watch(t, s)
	report := func(run string) { must(t, s.PutPartReport(c, run, api.PartReport{Node: "a"})) }
	w.AddRun("one")
	w.AddRun("two")
	w.await("both", func(v *viewer) bool { return v.reported["one"] == 1 && v.reported["two"] == 1 })
	w.RemoveRun("one")
	w.RemoveRun("one")
	report("one")
	report("two")
	w.await("the other", func(v *viewer) bool { return v.reported["two"] == 2 })
	equal(t, "reports told", w.reported, map[string]int{"one": 1, "two": 2})
	w.RemoveRun("two")
	w.AddRun("two")
	w.AddRun("one")
	w.await("both again", func(v *viewer) bool { return v.reported["one"] == 2 && v.reported["two"] == 3 })
	report("two")
	w.await("a report", func(v *viewer) bool { return v.reported["two"] == 4 })
}

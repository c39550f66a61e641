package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// pause is a change of holds that adds some.
func pause(list ...api.Hold) func(map[string]api.Hold) ([]api.Hold, []string, error) {
	return func(map[string]api.Hold) ([]api.Hold, []string, error) { return list, nil, nil }
}

func holds(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	site, all := api.Hold{Kind: api.HoldPause, Distribution: "site", By: "a"}, api.Hold{Kind: api.HoldPause, All: true}
	ended := api.Hold{Kind: api.HoldStop, Distribution: "site", All: true}
	must(t, s.UpdateHolds(c, pause(site, all, ended)))
	got, err := s.Holds(c)
	must(t, err)
	equal(t, "all of them beside one another", got, []api.Hold{all, site, ended})
	must(t, s.UpdateHolds(c, func(now map[string]api.Hold) ([]api.Hold, []string, error) {
		equal(t, "what stands", now, map[string]api.Hold{site.Key(): site, all.Key(): all, ended.Key(): ended})
		site.By = "b"
		return []api.Hold{site}, []string{all.Key(), ended.Key()}, nil
	}))
	got, err = s.Holds(c)
	must(t, err)
	equal(t, "what is left", got, []api.Hold{site})
	refuse := errors.New("no")
	err = s.UpdateHolds(c, func(map[string]api.Hold) ([]api.Hold, []string, error) { return nil, nil, refuse })
	equal(t, "the update's own error", err, refuse)
}

// holdUpdatesAreTransactions has many sides add holds: none is lost.
func holdUpdatesAreTransactions(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	const writers = 6
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			errs[i] = s.UpdateHolds(c, func(now map[string]api.Hold) ([]api.Hold, []string, error) {
				return []api.Hold{{Kind: api.HoldPause, Distribution: fmt.Sprintf("d%d", len(now))}}, nil, nil
			})
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	got, err := s.Holds(c)
	must(t, err)
	equal(t, "holds", len(got), writers)
}

// limit is a change of limits that puts some.
func limit(list ...api.Limit) func(map[string]api.Limit) ([]api.Limit, []string, error) {
	return func(map[string]api.Limit) ([]api.Limit, []string, error) { return list, nil, nil }
}

func limits(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	rate, more := int64(1<<20), int64(2<<20)
	all, rack := api.Limit{Name: "all", Download: &rate}, api.Limit{Name: "location ams/r1", Upload: &rate, Selector: api.Selector{Locations: []string{"ams/r1"}}}
	must(t, s.UpdateLimits(c, limit(rack)))
	must(t, s.UpdateLimits(c, limit(all)))
	rack.Upload = &more
	must(t, s.UpdateLimits(c, limit(rack)))
	got, err := s.Limits(c)
	must(t, err)
	equal(t, "by name", got, []api.Limit{all, rack})
	must(t, s.DeleteLimit(c, "all"))
	wantNotFound(t, s.DeleteLimit(c, "all"), "all")
	got, err = s.Limits(c)
	must(t, err)
	equal(t, "what is left", got, []api.Limit{rack})
}

// limitUpdatesAreTransactions has two sides change one limit, each a direction of its
// own: none is lost.
func limitUpdatesAreTransactions(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	const turns = 5
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for side := range errs {
		wg.Go(func() {
			for range turns {
				errs[side] = errors.Join(errs[side], s.UpdateLimits(c, func(now map[string]api.Limit) ([]api.Limit, []string, error) {
					l := now["all"]
					l.Name = "all"
					into := []**int64{&l.Download, &l.Upload}[side]
					rate := int64(1)
					if *into != nil {
						rate += **into
					}
					*into = &rate
					return []api.Limit{l}, nil, nil
				}))
			}
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	got, err := s.Limits(c)
	must(t, err)
	rate := int64(turns)
	equal(t, "both directions", got, []api.Limit{{Name: "all", Download: &rate, Upload: &rate}})
}

// controlsAreTold: watchers hear of each change of holds and limits, and of none
// that changes nothing.
func controlsAreTold(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	v := watch(t, s)
	turn := 0
	next := func(what string, err error) {
		t.Helper()
		must(t, err)
		turn++
		v.await(what, func(v *viewer) bool { return v.turns == turn })
	}
	rate := int64(1 << 20)
	next("a hold", s.UpdateHolds(c, pause(api.Hold{Kind: api.HoldPause, Distribution: "site"})))
	next("a limit", s.UpdateLimits(c, limit(api.Limit{Name: "all", Download: &rate})))
	must(t, s.UpdateHolds(c, pause()))
	next("no limit", s.DeleteLimit(c, "all"))
	must(t, s.UpdateDistributions(c, func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{{Name: "site"}}, nil, nil
	}))
	v.await("what came after", func(v *viewer) bool { return v.sets == 1 })
	equal(t, "turns", v.turns, turn)
}

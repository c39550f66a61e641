package store_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// TestUpdatesOverSpoiltRecords: nobody changes distributions without knowing all of
// them, as each claims a path; holds and limits are changed without those that say
// nothing.
func TestUpdatesOverSpoiltRecords(t *testing.T) {
	t.Parallel()
	e, ctx := start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0"}), t.Context()
	s := open(t, store.Config{URL: "redis://" + e.Addr()})
	raw := redis.NewClient(&redis.Options{Addr: e.Addr()})
	defer raw.Close()
	for _, hash := range []string{"{distributions}", "{holds}"} {
		must(t, raw.HSet(ctx, "rackswarm:"+hash+":records", "spoilt", "{").Err())
	}
	pause := api.Hold{Kind: api.HoldPause, Distribution: "site"}
	must(t, s.UpdateHolds(ctx, func(all map[string]api.Hold) ([]api.Hold, []string, error) {
		if len(all) != 0 {
			t.Errorf("the spoilt hold counts: %+v", all)
		}
		return []api.Hold{pause}, nil, nil
	}))
	if holds, err := s.Holds(ctx); err != nil || len(holds) != 1 {
		t.Errorf("holds %+v, %v", holds, err)
	}
	err := s.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		t.Errorf("asked to change %+v beside one that nobody can read", all)
		return nil, nil, nil
	})
	if err == nil {
		t.Error("a distribution that nobody can read is passed over")
	}
}

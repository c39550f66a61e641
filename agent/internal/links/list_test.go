package links

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/unit"
)

// TestOneLinksTroubleIsItsOwn: a key of the store that is not what it should be is a
// warning of the link that it is about, and all others are listed as ever; one that is
// about all links is a warning of each.
func TestOneLinksTroubleIsItsOwn(t *testing.T) {
	t.Parallel()
	r, open := openStore(t)
	s := open()
	raw := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { raw.Close() })
	m := newManager(s, "n", &mover{}, func(c *Config) {
		c.Links = map[unit.Location]Link{"ams": {Up: mbit, Down: mbit}, "ams/r1": {Up: mbit, Down: mbit}}
	})
	warnings := func() (counts []int) {
		t.Helper()
		list, err := m.List(t.Context())
		if err != nil || list.StoreDown || len(list.Links) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, l := range list.Links {
			for _, w := range l.Warnings {
				if !hasPart(w.Message, "WRONGTYPE") || !hasPart(w.Message, "delete it") {
					t.Errorf("%s: %s", l.Location, w.Message)
				}
			}
			counts = append(counts, len(l.Warnings))
		}
		return counts
	}
	for _, step := range []struct {
		key  string
		want [2]int
	}{{"", [2]int{}}, {"rackswarm:{link/ams/r1}:claims", [2]int{0, 1}}, {"rackswarm:{links}:readings", [2]int{1, 2}}} {
		if step.key != "" {
			if err := raw.Set(t.Context(), step.key, "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if got := warnings(); [2]int(got) != step.want {
			t.Errorf("with %q: %v warnings, want %v", step.key, got, step.want)
		}
	}
}

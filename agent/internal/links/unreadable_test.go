package links

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
)

// TestARecordThatCannotBeRead: a link of which a later version, or somebody else, says
// something has the floor, and not no limit, also after a restart without the store;
// who knows what was said before goes on with that.
func TestARecordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for i, record := range []string{`{"location":"ams","up":"1Gbit"}`, `{"location":"ams","up":0,"down":-1}`, `{"location":"ams2","up":5}`, "{", "null", ""} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r, open := openStore(t)
			s := open()
			raw := redis.NewClient(&redis.Options{Addr: r.Addr})
			defer raw.Close()
			manager := func(file string) (*Manager, *mover) {
				swarm := &mover{}
				return newManager(s, "n", swarm, func(c *Config) { c.File = file }), swarm
			}
			knew, _ := manager(filepath.Join(t.TempDir(), "links.json"))
			if err := s.PutLink(t.Context(), link("ams", int64(100*mbit), int64(100*mbit))); err != nil {
				t.Fatal(err)
			}
			ask := func(m *Manager) {
				t.Helper()
				if err := m.query(t.Context(), store.LinkQuery{All: true}, nil); err != nil {
					t.Fatal(err)
				}
			}
			ask(knew)
			if err := raw.HSet(t.Context(), "rackswarm:{links}:records", "ams", record, "\x1b[2J", record).Err(); err != nil {
				t.Fatal(err)
			}
			ask(knew)
			if f := knew.known.of("ams"); f.capacity(true) != 100*mbit || len(missing(f, knew.now())) != 1 {
				t.Errorf("who knew it: %+v", f)
			}
			file := filepath.Join(t.TempDir(), "links.json")
			anew, _ := manager(file)
			ask(anew)
			r.Kill()
			restarted, swarm := manager(file)
			wantFloor(t, "after a restart", swarm.budget(2), 0)
			for _, m := range []*Manager{anew, restarted} {
				f := m.known.of("ams")
				if b := f.budget(m.now(), m.cfg.Policy, true); b.Rate != bandwidth.FloorOf(0) || len(missing(f, m.now())) != 1 || len(m.known.all()) != 1 {
					t.Errorf("who did not know it: %v, %v, %v", b.Binding, missing(f, m.now()), m.known.all())
				}
			}
		})
	}
}

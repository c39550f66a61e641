package links

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// TestARestartWithoutTheStore: links that were declared or measured in the store have
// the floor, and not no limit, in an agent that is started while it does not answer.
func TestARestartWithoutTheStore(t *testing.T) {
	t.Parallel()
	r, open := openStore(t)
	s := open()
	file := filepath.Join(t.TempDir(), "links.json")
	rate := int64(100 * mbit)
	if err := s.PutLink(t.Context(), link("ams", rate, rate)); err != nil {
		t.Fatal(err)
	}
	if err := s.PutReadings(t.Context(), store.LinkReading{Location: "ams/r1", Measured: true, UpCapacity: 100 * mbit, DownCapacity: 10 * mbit}); err != nil {
		t.Fatal(err)
	}
	keeps := func(c *Config) { c.File = file }
	m := newManager(s, "n", &mover{}, keeps)
	if err := m.query(t.Context(), store.LinkQuery{All: true}, nil); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	swarm := &mover{}
	newManager(s, "n", swarm, keeps)
	wantFloor(t, "ams/r1", swarm.budget(1), 10*mbit)
	wantFloor(t, "ams", swarm.budget(2), 100*mbit)
}

// TestWhatIsKeptOfLinks is no more than what can be, and written when it changes.
func TestWhatIsKeptOfLinks(t *testing.T) {
	t.Parallel()
	rate := int64(1)
	k := kept{Declared: []api.Link{link("ams", rate, rate)}, Sources: []store.LinkReading{{Location: "ams/r1", UpCapacity: 5}}}
	p := keeper{file: filepath.Join(t.TempDir(), "links.json")}
	if got, err := p.load(); err != nil || len(got.Declared)+len(got.Sources) > 0 {
		t.Errorf("no file: %+v, %v", got, err)
	}
	if err := p.save(k, false); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.file); err != nil {
		t.Fatal(err)
	}
	if err := p.save(k, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.file); err == nil {
		t.Error("it is written though nothing has changed")
	}
	k.Declared = append(k.Declared, api.Link{Location: "ams/r9"})
	k.Sources = append(k.Sources, store.LinkReading{Location: "ams/r8", DownCapacity: -1})
	if err := p.save(k, false); err != nil {
		t.Fatal(err)
	}
	got, err := p.load()
	if err == nil || len(got.Declared) != 1 || len(got.Sources) != 1 {
		t.Errorf("what cannot be: %+v, %v", got, err)
	}
}

// TestADamagedFileAndNoStore: what cannot be read of what was known may have been the
// limits of the uplinks: they have the floor, and what is wrong is listed, until the
// store answers.
func TestADamagedFileAndNoStore(t *testing.T) {
	t.Parallel()
	for i, text := range []string{"", "{", "{}", "null", `{"declared":null}`, `{"declared":[{"location":"ams/r1","up":0}]}`, `{"declared":[],"cleared":[5]}`} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r, open := openStore(t)
			s := open()
			r.Kill()
			file := filepath.Join(t.TempDir(), "links.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			swarm, logged := &mover{}, &bytes.Buffer{}
			m := newManager(s, "n", swarm, func(c *Config) { c.File, c.Logger = file, slog.New(slog.NewTextHandler(logged, nil)) })
			wantFloor(t, "ams/r1", swarm.budget(1), 0)
			wantFloor(t, "ams", swarm.budget(2), 0)
			if text := logged.String(); !hasPart(text, file) || !hasPart(text, "ams/r1") || !hasPart(text, "fix=") {
				t.Errorf("logged: %s", text)
			}
			list, err := m.List(t.Context())
			if err != nil || len(list.Links) != 2 || len(list.Links[0].Warnings) != 1 || !hasPart(list.Links[0].Warnings[0].Message, "damaged") {
				t.Fatalf("%+v, %v", list, err)
			}
			m.known.learn(true, map[unit.Location]store.LinkFacts{})
			m.decide(m.now())
			if m.apply(); swarm.budget(1).Rate != unit.Unlimited {
				t.Errorf("when the store says that nothing is declared: %v", swarm.budget(1).Binding)
			}
		})
	}
}

// TestALinkWhoseDeviceIsSilentForDays has the floor still, and who lists it reads how
// to give it up.
func TestALinkWhoseDeviceIsSilentForDays(t *testing.T) {
	t.Parallel()
	r, open := openStore(t)
	s := open()
	days := store.LinkReading{Location: "ams/r1", Source: "device x", Measured: true, UpCapacity: 100 * mbit, DownCapacity: 100 * mbit, Age: 72 * time.Hour}
	if err := s.PutReadings(t.Context(), days); err != nil {
		t.Fatal(err)
	}
	raw := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer raw.Close()
	for _, place := range []string{"ams", "esy"} { // what is empty or no reading is not nothing
		if err := raw.HSet(t.Context(), "rackswarm:{links}:readings", place, map[string]string{"esy": "5 x"}[place]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	swarm := &mover{}
	m := newManager(s, "n", swarm, nil)
	list, err := m.List(t.Context())
	if err != nil || len(list.Links) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	m.decide(m.now())
	m.apply()
	wantFloor(t, "ams/r1", swarm.budget(1), 100*mbit)
	wantFloor(t, "ams", swarm.budget(2), 0)
	for _, l := range list.Links {
		if len(l.Warnings) == 0 || !hasPart(l.Warnings[0].Message, "rackswarm links clear "+l.Location) {
			t.Errorf("%s: %+v", l.Location, l.Warnings)
		}
	}
}

// TestKeepingIsTriedAgain: what a full disk kept from being written is written when it
// is not full any more, though nothing has changed.
func TestKeepingIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := keeper{file: filepath.Join(t.TempDir(), "links.json")}
	k := kept{Declared: []api.Link{link("ams", 1, 1)}}
	inTheWay := filepath.Join(p.file+".tmp", "full")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.save(k, true); err == nil {
		t.Error("no error")
	}
	if err := p.save(k, true); err != nil {
		t.Errorf("it is told again: %v", err)
	}
	if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		if err := p.save(k, again); err != nil {
			t.Error(err)
		}
		if got, err := p.load(); err != nil || len(got.Declared) == 1 != again {
			t.Errorf("again: %v: %+v, %v", again, got, err)
		}
	}
}

package links

import (
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

func link(location string, up, down int64) api.Link {
	return api.Link{Location: location, Up: &up, Down: &down}
}

// TestFacts: operators count more than files, of people and devices the lower one
// counts, and what nobody knows is the floor.
func TestFacts(t *testing.T) {
	t.Parallel()
	const ago = 2 * time.Second
	operator := link("ams", int64(50*mbit), int64(300*mbit))
	reading := func(capacity, others unit.Rate) *store.LinkReading {
		return &store.LinkReading{Location: "ams", Source: "device x", Measured: true, UpCapacity: capacity, UpOthers: others, Age: ago}
	}
	part := bandwidth.Part(0.5)
	most := int64(20 * mbit)
	ceiling := api.Link{Location: "ams", MaxUp: &most}
	operatorCeiling := operator
	operatorCeiling.MaxUp = &most
	other := api.Link{Location: "ams", MaxDown: &most}
	for _, test := range []struct {
		name   string
		facts  facts
		want   unit.Rate // up, of the fleet
		reason bandwidth.Reason
		warned string
	}{
		{"a file", facts{file: &Link{Up: 100 * mbit, Down: mbit}}, 80 * mbit, bandwidth.Reserve, ""},
		{"a file with a reserve", facts{file: &Link{Up: 100 * mbit, Down: mbit, Reserve: &part}}, 50 * mbit, bandwidth.Reserve, ""},
		{"an operator", facts{declared: &operator}, 40 * mbit, bandwidth.Reserve, ""},
		{"an operator and a file", facts{declared: &operator, file: &Link{Up: 100 * mbit, Down: mbit}}, 40 * mbit, bandwidth.Reserve, ""},
		{"a device", facts{reading: reading(100*mbit, 30*mbit)}, 50 * mbit, bandwidth.Reserve, ""},
		{"a device slower than what is said", facts{file: &Link{Up: 1000 * mbit, Down: mbit}, reading: reading(100*mbit, 30*mbit)}, 50 * mbit, bandwidth.Reserve, "the lower one counts"},
		{"a device faster than what is said", facts{file: &Link{Up: 50 * mbit, Down: mbit}, reading: reading(100*mbit, 30*mbit)}, 10 * mbit, bandwidth.Reserve, ""},
		{"a device without capacity", facts{reading: reading(0, 30*mbit)}, 1e6, bandwidth.Unmeasured, ""},
		{"a device that is full", facts{reading: reading(100*mbit, 99*mbit)}, 2 * mbit, bandwidth.Floor, ""},
		{"a device that was never read", facts{sensor: true, file: &Link{Up: 100 * mbit, Down: mbit}}, 2 * mbit, bandwidth.Unmeasured, "nobody has measured it yet"},
		{"a ceiling", facts{declared: &ceiling}, 20 * mbit, bandwidth.Group, ""},
		{"a ceiling of the other direction", facts{declared: &other}, unit.Unlimited, bandwidth.Open, ""},
		{"a ceiling below what it carries", facts{declared: &operatorCeiling}, 20 * mbit, bandwidth.Group, ""},
		{"a ceiling above what a file leaves", facts{declared: &ceiling, file: &Link{Up: 10 * mbit, Down: mbit}}, 8 * mbit, bandwidth.Reserve, ""},
		{"a ceiling above what others leave", facts{declared: &ceiling, reading: reading(100*mbit, 70*mbit)}, 10 * mbit, bandwidth.Reserve, ""},
		{"a ceiling below what others leave", facts{declared: &ceiling, reading: reading(100*mbit, 30*mbit)}, 20 * mbit, bandwidth.Group, ""},
		{"a ceiling of a link that was never read", facts{declared: &ceiling, sensor: true}, 1e6, bandwidth.Unmeasured, "nobody has measured it yet"},
		{"one direction", facts{file: &Link{Down: mbit}}, 1e6, bandwidth.Undeclared, "nobody says what it carries up, so that it has the floor that way: say it in links of agent.yaml, or with rackswarm links set ams --up RATE"},
	} {
		test.facts.location = "ams"
		m := &Manager{cfg: Config{Policy: bandwidth.DefaultPolicy()}}
		s := m.status(0, test.facts, nil)
		if s.Up.Allowed() != test.want || bandwidth.Reason(s.Up.Reason) != test.reason {
			t.Errorf("%s: %v as %s, want %v as %s", test.name, s.Up.Allowed(), s.Up.Reason, test.want, test.reason)
		}
		var all string
		for _, w := range s.Warnings {
			all += w.Message + "\n"
		}
		if !strings.Contains(all, test.warned) || test.warned == "" && all != "" {
			t.Errorf("%s: warnings %q, want %q", test.name, all, test.warned)
		}
	}
}

// TestTheReserveInForce is listed, whoever said it.
func TestTheReserveInForce(t *testing.T) {
	t.Parallel()
	m := &Manager{cfg: Config{Policy: bandwidth.DefaultPolicy()}}
	half, quarter := bandwidth.Part(0.5), 0.25
	for name, test := range map[string]struct {
		facts facts
		want  float64
	}{
		"that of all links": {facts{file: &Link{Up: mbit}}, 0.2},
		"a file's":          {facts{file: &Link{Up: mbit, Reserve: &half}}, 0.5},
		"an operator's":     {facts{file: &Link{Up: mbit, Reserve: &half}, declared: &api.Link{Reserve: &quarter}}, 0.25},
	} {
		if got := m.status(0, test.facts, nil).Reserve; got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestWhyALinkHasTheFloor: one that nobody declared is not one that is to be measured.
func TestWhyALinkHasTheFloor(t *testing.T) {
	t.Parallel()
	m := &Manager{cfg: Config{Policy: bandwidth.DefaultPolicy()}}
	for want, f := range map[string]facts{
		"uplink of ams, up: 976.6 KiB/s, as nobody says what it carries: the floor": {file: &Link{Down: mbit}},
		"uplink of ams, up: 976.6 KiB/s, as what it carries is not known":           {file: &Link{Down: mbit}, sensor: true},
	} {
		f.location = "ams"
		if got := m.status(0, f, nil).Up.Why; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestReadingsGrowOld here, too, while the store does not answer.
func TestReadingsGrowOld(t *testing.T) {
	t.Parallel()
	f := facts{location: "ams", reading: &store.LinkReading{Measured: true, UpCapacity: 100 * mbit, Age: time.Second}}
	for seconds, want := range map[int]bandwidth.Reason{0: bandwidth.Reserve, 3: bandwidth.Reserve, 8: bandwidth.Stale, 14: bandwidth.Stale} {
		now := unit.Time(0).Add(time.Duration(seconds) * time.Second)
		b := bandwidth.DefaultPolicy().Budget(topo.Hop{Location: "ams", Up: true}, f.use(now, true))
		if b.Binding.Reason != want {
			t.Errorf("after %d s: %v, want %s", seconds, b.Binding, want)
		}
		if seconds == 14 && b.Rate > bandwidth.FloorOf(100*mbit) {
			t.Errorf("after %d s: %v", seconds, b.Rate)
		}
	}
}

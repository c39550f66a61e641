package bandwidth

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

var uplink = topo.Hop{Location: "ams/r1", Up: true}

func TestBudgetOfALink(t *testing.T) {
	const c = 100 * mbit // 12.5 MB/s, of which 10 MB/s are not reserved
	fresh := func(others unit.Rate) LinkUse {
		return LinkUse{Capacity: c, Sensor: true, Measured: true, Others: others}
	}
	old := func(age time.Duration) LinkUse {
		u := fresh(0)
		u.Age = age
		return u
	}
	with := func(change func(*Policy)) Policy {
		p := DefaultPolicy()
		change(&p)
		return p
	}
	for name, tt := range map[string]struct {
		policy Policy
		use    LinkUse
		rate   unit.Rate
		reason Reason
	}{
		"nobody else":               {DefaultPolicy(), fresh(0), 10e6, Reserve},
		"others use some":           {DefaultPolicy(), fresh(4e6), 6e6, Reserve},
		"others use all":            {DefaultPolicy(), fresh(12.5e6), 250e3, Floor},
		"others use the spare":      {DefaultPolicy(), fresh(9.9e6), 250e3, Floor},
		"others use less than none": {DefaultPolicy(), fresh(-5), 10e6, Reserve},
		"not measured":              {DefaultPolicy(), LinkUse{Capacity: c, Sensor: true}, 250e3, Unmeasured},
		"nothing known":             {DefaultPolicy(), LinkUse{Sensor: true}, 1e6, Unmeasured},
		"no capacity":               {DefaultPolicy(), LinkUse{Sensor: true, Measured: true, Others: 5}, 1e6, Unmeasured},
		"no capacity, no sensor":    {DefaultPolicy(), LinkUse{}, 1e6, Unmeasured},
		"nobody says the capacity":  {DefaultPolicy(), LinkUse{Undeclared: true}, 1e6, Undeclared},
		"fast, not measured":        {DefaultPolicy(), LinkUse{Capacity: 1000 * mbit, Sensor: true}, 1e6, Unmeasured},
		"unlimited, not measured":   {DefaultPolicy(), LinkUse{Capacity: unit.Unlimited, Sensor: true}, 1e6, Unmeasured},
		"unlimited":                 {DefaultPolicy(), LinkUse{Capacity: unit.Unlimited}, unit.Unlimited, Open},
		"tiny":                      {DefaultPolicy(), LinkUse{Capacity: 3, Sensor: true}, 1, Unmeasured},
		"set by hand":               {DefaultPolicy(), LinkUse{Capacity: c, Others: 5e6, Age: time.Hour, Measured: true}, 10e6, Reserve},
		"5 s old":                   {DefaultPolicy(), old(5 * time.Second), 10e6, Reserve},
		"10 s old":                  {DefaultPolicy(), old(10 * time.Second), 250e3 + (10e6-250e3)/2, Stale},
		"15 s old":                  {DefaultPolicy(), old(15 * time.Second), 250e3, Stale},
		"a year old":                {DefaultPolicy(), old(365 * 24 * time.Hour), 250e3, Stale},
		"from the future":           {DefaultPolicy(), old(-time.Hour), 10e6, Reserve},
		"no reserve":                {with(func(p *Policy) { p.Reserve = 0 }), fresh(0), c, Reserve},
		"all reserved":              {with(func(p *Policy) { p.Reserve = 1 }), fresh(0), 250e3, Floor},
		"reserve beyond all":        {with(func(p *Policy) { p.Reserve = 7 }), fresh(0), 250e3, Floor},
		"reserve below nothing":     {with(func(p *Policy) { p.Reserve = -1 }), fresh(0), c, Reserve},
		"reserve is no number":      {with(func(p *Policy) { p.Reserve = Part(math.NaN()) }), fresh(0), c, Reserve},
		"ceiling binds":             {with(func(p *Policy) { p.Ceiling = 0.5 }), fresh(1e6), 5.25e6, Ceiling},
		"ceiling does not bind":     {with(func(p *Policy) { p.Ceiling = 0.9 }), fresh(1e6), 9e6, Reserve},
		"others above the ceiling":  {with(func(p *Policy) { p.Ceiling = 0.5 }), fresh(7e6), 0, Ceiling},
		"ceiling of 0":              {with(func(p *Policy) { p.Ceiling = 0 }), LinkUse{Sensor: true}, 0, Ceiling},
		"limit":                     {with(func(p *Policy) { p.Limit = 3e6 }), fresh(0), 3e6, Group},
		"limit above the spare":     {with(func(p *Policy) { p.Limit = 30e6 }), fresh(0), 10e6, Reserve},
		"limit of 0":                {with(func(p *Policy) { p.Limit = 0 }), LinkUse{Capacity: unit.Unlimited}, 0, Group},
		"limit below 0":             {with(func(p *Policy) { p.Limit = -1 }), fresh(0), 0, Group},
		"zero policy":               {Policy{}, fresh(0), 0, Ceiling},
	} {
		b := tt.policy.Budget(uplink, tt.use)
		if b.Rate != tt.rate || b.Binding.Reason != tt.reason || b.Binding.Rate != b.Rate || b.Binding.Hop != uplink {
			t.Errorf("%s: %d (%s), want %d (%s)", name, b.Rate, b.Binding, tt.rate, tt.reason)
		}
	}
}

// Whatever is read, a budget is not negative, not more than the capacity leaves,
// and at least the floor unless the operator says less; it only shrinks with age
// and with what others use.
func TestBudgetBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := rapid.OneOf(rapid.Int64Range(-1, 1<<34), rapid.Just(int64(unit.Unlimited)), rapid.Int64())
		parts := rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64())
		u := LinkUse{
			Capacity: unit.Rate(rates.Draw(t, "capacity")), Sensor: rapid.Bool().Draw(t, "sensor"), Measured: rapid.Bool().Draw(t, "measured"),
			Others: unit.Rate(rates.Draw(t, "others")), Age: time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "age")),
		}
		p := Policy{Reserve: Part(parts.Draw(t, "reserve")), Ceiling: 1, Limit: unit.Unlimited}
		b := p.Budget(uplink, u)
		known := u.Capacity > 0 && u.Capacity < unit.Unlimited
		if floor := FloorOf(u.Capacity); b.Rate < floor || known && b.Rate > max((1-clampPart(p.Reserve)).of(u.Capacity), floor) {
			t.Fatalf("%+v: %s", u, b.Binding)
		}
		if b.Rate == unit.Unlimited && u.Capacity != unit.Unlimited {
			t.Fatalf("unlimited: %+v", u)
		}
		worse := u
		worse.Age += time.Second
		if worse.Others < unit.Unlimited {
			worse.Others++
		}
		if w := p.Budget(uplink, worse); w.Rate > b.Rate {
			t.Fatalf("%d, and %d a second later with more traffic", b.Rate, w.Rate)
		}
		p.Ceiling, p.Limit = Part(parts.Draw(t, "ceiling")), unit.Rate(rates.Draw(t, "limit"))
		if l := p.Budget(uplink, u); l.Rate < 0 || l.Rate > max(p.Limit, 0) || l.Rate > b.Rate {
			t.Fatalf("%+v %+v: %s", p, u, l.Binding)
		}
		if s := b.Binding.String(); s == "" || strings.Contains(s, "%!") {
			t.Fatalf("words: %q", s)
		}
	})
}

func TestOthersAreTheWholeWithoutUs(t *testing.T) {
	u := Use{Up: 5e6, Down: 2e6, Over: 2 * time.Second}
	if up, down := u.Others(Moved{Up: 4e6, Down: 8e6}); up != 3e6 || down != 0 {
		t.Errorf("others use %d up and %d down", up, down)
	}
}

func TestLeast(t *testing.T) {
	a := NewBudget(Binding{Reason: Reserve, Rate: 5})
	b := NewBudget(Binding{Reason: Group, Rate: 5})
	if got := Least(NoLimit(uplink), a, b); got != a {
		t.Errorf("%+v", got)
	}
	if got := Least(); got.Rate != 0 {
		t.Errorf("the least of nothing is %d", got.Rate)
	}
	if got := a.AtMost(3, Distribution); got.Rate != 3 || got.Binding.Reason != Distribution {
		t.Errorf("%+v", got)
	}
	if got := NewBudget(Binding{Rate: -4}); got.Rate != 0 || got.Binding.Rate != 0 {
		t.Errorf("%+v", got)
	}
}

// Each reason has words of its own.
func TestBindingsInWords(t *testing.T) {
	host := topo.Hop{Location: "ams/r1", Node: "web17"}
	for want, b := range map[string]Binding{
		"uplink of ams/r1, up: no limit":                                                                  {Reason: Open, Hop: uplink, Rate: unit.Unlimited},
		"uplink of ams/r1, up: 976.6 KiB/s, as what it carries is not known":                              {Reason: Unmeasured, Hop: uplink, Rate: 1e6},
		"uplink of ams/r1, up: 976.6 KiB/s, as nobody says what it carries: the floor":                    {Reason: Undeclared, Hop: uplink, Rate: 1e6},
		"uplink of ams/r1, up: 976.6 KiB/s, as its use is not known yet":                                  {Reason: Unmeasured, Hop: uplink, Rate: 1e6, Capacity: 125e6},
		"uplink of ams/r1, up: 976.6 KiB/s, as its use was last measured 12.3 s ago":                      {Reason: Stale, Hop: uplink, Rate: 1e6, Age: 12345 * time.Millisecond},
		"link of host web17, down: 5.7 MiB/s, as 20% of 11.9 MiB/s stay free and others use 3.8 MiB/s":    {Reason: Reserve, Hop: host, Rate: 6e6, Capacity: 12.5e6, Others: 4e6, Part: 0.2},
		"uplink of ams/r1, up: 0 B/s, as at most 80% of 11.9 MiB/s may be used and others use 11.9 MiB/s": {Reason: Ceiling, Hop: uplink, Capacity: 12.5e6, Others: 12.5e6, Part: 0.8},
		"uplink of ams/r1, up: 244.1 KiB/s, as others use 11.9 MiB/s of 11.9 MiB/s":                       {Reason: Floor, Hop: uplink, Rate: 250e3, Capacity: 12.5e6, Others: 12.5e6},
		"link of host web17, down: 100 B/s, as the CPU is busy: 25% of 400 B/s are left":                  {Reason: CPU, Hop: host, Rate: 100, Part: 0.25, Whole: 400},
		"link of host web17, down: 100 B/s, as tasks wait for I/O: 25% of 400 B/s are left":               {Reason: IOPressure, Hop: host, Rate: 100, Part: 0.25, Whole: 400},
		"link of host web17, down: 100 B/s, as tasks wait for memory: 25% of 400 B/s are left":            {Reason: MemPressure, Hop: host, Rate: 100, Part: 0.25, Whole: 400},
		"link of host web17, down: 100 B/s, as the disk answers late: 25% of 400 B/s are left":            {Reason: Disk, Hop: host, Rate: 100, Part: 0.25, Whole: 400},
		`transfer, up: 0 B/s, as the window "daily 08:00-18:00 0" says so`:                                {Reason: Window, Hop: uplink, OfTransfer: true, Text: "daily 08:00-18:00 0"},
		"uplink of ams/r1, up: 10 B/s, as 30 B/s are shared by 3":                                         {Reason: Shared, Hop: uplink, Rate: 10, Whole: 30, Users: 3},
		"uplink of ams/r1, up: 10 B/s, as an operator set this limit":                                     {Reason: Group, Hop: uplink, Rate: 10},
		"transfer, down: 10 B/s, as the distribution has this ceiling":                                    {Reason: Distribution, OfTransfer: true, Rate: 10},
		"transfer, down: 0 B/s, as it is paused":                                                          {Reason: Paused, OfTransfer: true},
		"transfer, down: 0 B/s, as a more urgent transfer comes first":                                    {Reason: Priority, OfTransfer: true},
		"transfer, down: 0 B/s, as traffic that leaves the location comes first":                          {Reason: OuterFirst, OfTransfer: true},
		"uplink of ams/r1, up: 10 B/s, as others have not heard of its demand yet":                        {Reason: Joining, Hop: uplink, Rate: 10},
		"uplink of ams/r1, up: 10 B/s, as a queue builds up on the way":                                   {Reason: Delay, Hop: uplink, Rate: 10},
	} {
		if got := b.String(); got != want {
			t.Errorf("%s: %q, want %q", b.Reason, got, want)
		}
	}
}

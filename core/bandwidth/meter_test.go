package bandwidth

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

const mbit unit.Rate = 1e6 / 8

// device is a switch whose interface carries traffic, and that renews its
// counters now and then.
type device struct {
	refresh time.Duration // 0: at each question
	phase   time.Duration
	up      func(unit.Time) float64 // bytes that went out by that time
	speed   unit.Rate
}

// steady is traffic of one rate.
func steady(r unit.Rate) func(unit.Time) float64 {
	return func(at unit.Time) float64 { return float64(r) * time.Duration(at).Seconds() }
}

// renewed returns when the counters that are read at a time were taken.
func (d *device) renewed(at unit.Time) unit.Time {
	if d.refresh == 0 {
		return at
	}
	n := (time.Duration(at) - d.phase) / d.refresh
	return unit.Time(n*d.refresh + d.phase)
}

func (d *device) read(at unit.Time) Reading {
	return Reading{
		At: at, Out: uint64(d.up(d.renewed(at))), In: 7, Speed: d.speed,
		UpTime: time.Hour + time.Duration(at).Truncate(10*time.Millisecond),
	}
}

// begin is after a first refresh, so that there is one to be measured from.
const begin = unit.Time(time.Minute)

// Whatever refreshes and polls, what a meter says was moved in some time is what
// was moved between two refreshes, and that time is right within the lateness of
// the polls that saw them.
func TestTheUseOfSteadyTrafficIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := unit.Rate(rapid.Int64Range(10_000, int64(100*mbit)).Draw(t, "rate"))
		d := device{
			refresh: time.Duration(rapid.Int64Range(0, int64(12*time.Second)).Draw(t, "refresh")),
			speed:   400 * mbit, up: steady(truth),
		}
		d.phase = time.Duration(rapid.Int64Range(0, int64(d.refresh)).Draw(t, "phase"))
		poll := time.Duration(rapid.Int64Range(int64(time.Second), int64(2*time.Second)).Draw(t, "poll"))
		jitter := rapid.Int64Range(0, int64(poll/20)).Draw(t, "jitter")
		chance := unit.NewRand(rapid.Uint64().Draw(t, "seed"))
		m := NewMeter(MeterConfig{Link: "ams"})
		measured := 0
		for at := begin; at < begin.Add(10*time.Minute); at = at.Add(poll + chance.Jitter(time.Duration(jitter))) {
			before, _ := m.Use()
			if w := m.Read(d.read(at)); len(w) > 0 {
				t.Fatalf("warned: %v", w)
			}
			use, ok := m.Use()
			if !ok || use.At == before.At {
				continue
			}
			measured++
			late := min(d.refresh, 21*poll/20) // of each end of the interval
			low, high := float64(use.Over-late)/float64(use.Over), float64(use.Over+late)/float64(use.Over)
			if measured > 20 && d.refresh > 5*poll/2 { // learned by now
				low, high = 0.9, 1.1
			}
			if got := float64(use.Up) / float64(truth); got < low-0.002 || got > high+0.002 {
				t.Fatalf("%d at %v over %v, and it is %d: %.3f, want %.3f to %.3f", use.Up, time.Duration(at-begin), use.Over, truth, got, low, high)
			}
			if use.Down != 0 {
				t.Fatalf("%d down", use.Down)
			}
		}
		if want := int(10 * time.Minute / (d.refresh + 2*poll) / 2); measured < want {
			t.Fatalf("measured %d times, want %d", measured, want)
		}
	})
}

// Traffic that changes is seen a refresh and two polls later, and all that was
// moved is in some interval.
func TestAStepIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := unit.Rate(rapid.Int64Range(int64(mbit), int64(10*mbit)).Draw(t, "from"))
		to := unit.Rate(rapid.Int64Range(int64(mbit), int64(100*mbit)).Draw(t, "to"))
		d := device{refresh: time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "refresh")), speed: 1000 * mbit}
		d.phase = time.Duration(rapid.Int64Range(0, int64(d.refresh)).Draw(t, "phase"))
		step := begin.Add(5*time.Minute + time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "step")))
		d.up = func(at unit.Time) float64 {
			n := steady(from)(min(at, step))
			return n + float64(to)*max(at.Sub(step), 0).Seconds()
		}
		m := NewMeter(MeterConfig{Link: "ams"})
		const poll = time.Second
		for at := begin; at < step.Add(time.Minute); at = at.Add(poll) {
			m.Read(d.read(at))
			use, ok := m.Use()
			if at < step.Add(2*d.refresh+3*poll) { // the interval with the step in it may end just after it
				continue
			}
			wide := 0.12
			if d.refresh < 5*poll/2 {
				wide = 1 // a poll may be as long as what it measures
			}
			if diff := math.Abs(float64(use.Up)/float64(to) - 1); !ok || diff > wide {
				t.Fatalf("%v after the step to %d the use is %d (%v)", at.Sub(step), to, use.Up, ok)
			}
		}
	})
}

// feed has a meter read a device for some time, and returns what it warned of.
func feed(m *Meter, d *device, from unit.Time, seconds int) (at unit.Time, warned []Warning) {
	at = from
	for range seconds {
		at = at.Add(time.Second)
		warned = append(warned, m.Read(d.read(at))...)
	}
	return at, warned
}

func TestZerosBetweenRefreshesAreNoIdleness(t *testing.T) {
	d := device{refresh: 10 * time.Second, speed: 100 * mbit, up: steady(8 * mbit)}
	m := NewMeter(MeterConfig{})
	at, _ := feed(m, &d, begin, 120)
	for range 60 {
		var use Use
		at, _ = feed(m, &d, at, 1)
		if use, _ = m.Use(); use.Up < 75*mbit/10 || use.Up > 85*mbit/10 || use.Age(at) > 11*time.Second {
			t.Fatalf("%+v, %v old", use, use.Age(at))
		}
	}
	if interval, ok := m.Refresh(); !ok || (interval-d.refresh).Abs() > 100*time.Millisecond {
		t.Errorf("learned %v", interval)
	}
}

// A device that renews a little more seldom than it is asked is asked once in
// between now and then: what comes two polls later is that of one refresh.
func TestARefreshThatSlipsPastAPoll(t *testing.T) {
	d := device{refresh: 1005 * time.Millisecond, speed: 100 * mbit, up: steady(8 * mbit)}
	m := NewMeter(MeterConfig{})
	at, _ := feed(m, &d, begin, 30)
	for range 600 {
		at, _ = feed(m, &d, at, 1)
		if use, _ := m.Use(); use.Up < 78*mbit/10 || use.Up > 82*mbit/10 {
			t.Fatalf("%v: %+v", at.Sub(begin), use)
		}
	}
}

func TestZerosBeyondARefreshAre(t *testing.T) {
	for _, refresh := range []time.Duration{0, time.Second, 10 * time.Second} {
		d := device{refresh: refresh, speed: 100 * mbit}
		stop, again := begin.Add(2*time.Minute), begin.Add(3*time.Minute)
		d.up = func(at unit.Time) float64 {
			return steady(8*mbit)(min(at, stop)) + float64(16*mbit)*max(at.Sub(again), 0).Seconds()
		}
		m := NewMeter(MeterConfig{})
		at, _ := feed(m, &d, begin, 119)
		if use, _ := m.Use(); use.Up == 0 {
			t.Fatalf("refresh %v: nothing before the stop", refresh)
		}
		at, _ = feed(m, &d, at, 58)
		if use, ok := m.Use(); !ok || use.Up != 0 || use.Age(at) > time.Second {
			t.Errorf("refresh %v: %v after the stop %+v, %v old", refresh, at.Sub(stop), use, use.Age(at))
		}
		// What comes then came since the last refresh, not in the whole silence.
		at, _ = feed(m, &d, at, int(refresh/time.Second)*2+6)
		if use, _ := m.Use(); use.Up < 14*mbit || use.Up > 18*mbit {
			t.Errorf("refresh %v: %v after it went on %+v", refresh, at.Sub(again), use)
		}
	}
}

func TestADeviceThatRenewsMoreSeldomThanBeforeIsLearnedAnew(t *testing.T) {
	d := device{refresh: time.Second, speed: 100 * mbit, up: steady(8 * mbit)}
	m := NewMeter(MeterConfig{})
	at, _ := feed(m, &d, begin, 60)
	d.refresh = 10 * time.Second
	at, _ = feed(m, &d, at, 60)
	for range 30 {
		at, _ = feed(m, &d, at, 1)
		if use, _ := m.Use(); use.Up < 7*mbit || use.Up > 9*mbit {
			t.Fatalf("%+v", use)
		}
	}
}

func TestUpAndDownFollowTheSide(t *testing.T) {
	for side, want := range map[Side]Moved{Inside: {Up: 1e6, Down: 5e5}, Outside: {Up: 5e5, Down: 1e6}} {
		m := NewMeter(MeterConfig{Side: side, Up: 100 * mbit, Down: 100 * mbit})
		for i := range uint64(5) {
			m.Read(Reading{At: unit.Time(i) * unit.Time(time.Second), In: i * 5e5, Out: i * 1e6})
		}
		if use, ok := m.Use(); !ok || use.Up != unit.Rate(want.Up) || use.Down != unit.Rate(want.Down) {
			t.Errorf("side %v: %+v", side, use)
		}
	}
}

// Each bad reading is left out, is told once, and the next good ones count.
func TestBadReadings(t *testing.T) {
	seconds := func(n int) unit.Time { return begin.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		spoil func(i int, r *Reading) // from the tenth on
		fault Fault
		says  string
	}{
		"reboot": {func(i int, r *Reading) {
			r.UpTime = time.Duration(i) * time.Second
			r.Out = uint64(i) * 1e6
		}, FaultReset, "was started again: it runs for 0s"},
		"the SNMP agent restarts":   {func(i int, r *Reading) { r.UpTime = time.Duration(i) * time.Second }, FaultReset, "started again"},
		"reset by hand":             {func(i int, r *Reading) { r.Out = uint64(i) * 1e6 }, FaultReset, "went back"},
		"discontinuity":             {func(_ int, r *Reading) { r.Discontinuity, r.Out = time.Hour, r.Out+1<<40 }, FaultReset, "began anew"},
		"another interface":         {func(_ int, r *Reading) { r.Interface, r.Out = 9, r.Out+1<<40 }, FaultReset, "the index 9 and had 0"},
		"an absurd jump":            {func(_ int, r *Reading) { r.Out += 1 << 40 }, FaultAbsurd, "it carries 100 Mbit/s at most"},
		"an absurd jump of another": {func(_ int, r *Reading) { r.In += 1 << 62 }, FaultAbsurd, "Gbit/s down"},
		"time goes back": {func(i int, r *Reading) {
			if i == 0 {
				r.At = seconds(5)
			}
		}, FaultClock, "not later"},
	} {
		m := NewMeter(MeterConfig{Link: "ams/r1"})
		var warned []Warning
		d := device{speed: 100 * mbit, up: steady(unit.Rate(1e6))}
		for i := range 20 {
			r := d.read(seconds(i))
			if i >= 10 {
				c.spoil(i-10, &r)
			}
			warned = append(warned, m.Read(r)...)
			if use, ok := m.Use(); ok && use.Up != 1e6 {
				t.Errorf("%s: %+v in second %d", name, use, i)
			}
		}
		if len(warned) != 1 || warned[0].Fault != c.fault || warned[0].Link != "ams/r1" || !strings.Contains(warned[0].String(), c.says) {
			t.Errorf("%s: warned %v, want %q", name, warned, c.says)
		}
		if standing := m.Faults(); len(standing) > 0 {
			t.Errorf("%s: %v stands", name, standing)
		}
		if use, ok := m.Use(); !ok || use.Age(seconds(19)) > time.Second {
			t.Errorf("%s: ends with %+v", name, use)
		}
	}
}

func TestCountersWrap(t *testing.T) {
	m := NewMeter(MeterConfig{})
	for i := range uint64(20) {
		r := Reading{At: unit.Time(i+1) * unit.Time(time.Second), Speed: 100 * mbit}
		r.Out = i*1e6 - 10e6 // passes zero
		r.UpTime = (upTimeWrap + time.Duration(i)*time.Second - 10*time.Second) % upTimeWrap
		if w := m.Read(r); len(w) > 0 {
			t.Error(w)
		}
		if use, ok := m.Use(); ok != (i >= 2) || ok && use.Up != 1e6 {
			t.Errorf("reading %d: %+v, %v", i, use, ok)
		}
	}
}

func TestAgeGrowsWhileThereIsNoAnswer(t *testing.T) {
	d := device{speed: 100 * mbit, up: steady(unit.Rate(1e6))}
	m := NewMeter(MeterConfig{Link: "ams"})
	at, _ := feed(m, &d, begin, 10)
	last, _ := m.Use()
	for i := range 30 {
		at = at.Add(time.Second)
		if news := m.Fail(FaultSilent, "no answer"); (len(news) == 1) != (i == 0) {
			t.Errorf("failure %d: %v", i, news)
		}
	}
	if use, ok := m.Use(); !ok || use != last || use.Age(at) != 30*time.Second {
		t.Errorf("%+v, %v old", use, use.Age(at))
	}
	d.up = steady(unit.Rate(2e6)) // and a mean over the silence is no use now
	at, warned := feed(m, &d, at, 1)
	if use, _ := m.Use(); use != last || len(warned) > 0 || len(m.Faults()) > 0 {
		t.Errorf("%+v, %v", use, warned)
	}
	feed(m, &d, at, 2)
	if use, _ := m.Use(); use.Up != 2e6 {
		t.Errorf("%+v", use)
	}
}

func TestCapacities(t *testing.T) {
	for name, c := range map[string]struct {
		config   MeterConfig
		speed    unit.Rate
		up, down unit.Rate
		warns    string
	}{
		"the interface's":             {MeterConfig{}, 100 * mbit, 100 * mbit, 100 * mbit, ""},
		"less is configured":          {MeterConfig{Up: 10 * mbit, Down: 20 * mbit}, 100 * mbit, 10 * mbit, 20 * mbit, ""},
		"one direction is configured": {MeterConfig{Up: 10 * mbit}, 100 * mbit, 10 * mbit, 100 * mbit, ""},
		"more is configured":          {MeterConfig{Up: 10000 * mbit}, 100 * mbit, 100 * mbit, 100 * mbit, "10 Gbit/s are configured and the interface has 100 Mbit/s"},
		"unlimited is configured":     {MeterConfig{Up: unit.Unlimited, Down: unit.Unlimited}, 100 * mbit, 100 * mbit, 100 * mbit, ""},
		"the speed is wrong":          {MeterConfig{Up: 10000 * mbit, Down: 10000 * mbit, IgnoreSpeed: true}, 100 * mbit, 10000 * mbit, 10000 * mbit, ""},
		"nothing is known":            {MeterConfig{}, 0, 0, 0, "not known"},
		"one direction is not known":  {MeterConfig{Up: mbit}, 0, mbit, 0, "not known"},
	} {
		m := NewMeter(c.config)
		warned := m.Read(Reading{At: 1, Speed: c.speed})
		warned = append(warned, m.Read(Reading{At: 2, Speed: c.speed})...)
		if use, _ := m.Use(); use.UpCapacity != c.up || use.DownCapacity != c.down {
			t.Errorf("%s: %+v", name, use)
		}
		if (len(warned) > 0) != (c.warns != "") || len(warned) > 0 && (len(warned) != 1 || warned[0].Fault != FaultCapacity || !strings.Contains(warned[0].Message, c.warns)) {
			t.Errorf("%s: %v, want %q", name, warned, c.warns)
		}
	}
}

// The use never exceeds a capacity, also one that shrinks.
func TestAHalvedLinkBoundsItsUse(t *testing.T) {
	d := device{speed: 100 * mbit, up: steady(80 * mbit)}
	m := NewMeter(MeterConfig{})
	at, _ := feed(m, &d, begin, 10)
	d.speed = 50 * mbit
	feed(m, &d, at, 1)
	if use, _ := m.Use(); use.Up != 50*mbit || use.UpCapacity != 50*mbit {
		t.Errorf("%+v", use)
	}
}

// A switch that reports nothing, or too little, while the agents move bytes over
// the link is found out, and believed again when it tells the truth.
func TestFalseZeros(t *testing.T) {
	for name, share := range map[string]unit.Rate{"zeros": 0, "a fifth": 5} {
		d := device{speed: 100 * mbit}
		m := NewMeter(MeterConfig{Link: "ams"})
		honest := true
		var reported float64
		d.up = func(unit.Time) float64 { return reported }
		var warned []Warning
		at, own := begin, Moved{}
		second := func() {
			at = at.Add(time.Second)
			own.Up += unit.Bytes(mbit * 20)
			if honest {
				reported += float64(mbit * 22)
			} else if share > 0 {
				reported += float64(mbit * 20 / share)
			}
			r := d.read(at)
			r.Own = own
			warned = append(warned, m.Read(r)...)
		}
		for range 30 {
			second()
		}
		if use, ok := m.Use(); !ok || use.Up != 22*mbit || len(warned) > 0 {
			t.Fatalf("%s: %+v, %v", name, use, warned)
		}
		honest = false
		for range 30 {
			second()
			if use, ok := m.Use(); share == 0 && ok && use.Up == 0 {
				t.Fatalf("%s: they count as idleness", name)
			}
		}
		if _, ok := m.Use(); ok || len(warned) != 1 || warned[0].Fault != FaultFalse || !strings.Contains(warned[0].Message, "agents alone moved") {
			t.Errorf("%s: believed %v, warned %v", name, ok, warned)
		}
		honest = true
		for range 30 {
			second()
		}
		if use, ok := m.Use(); !ok || use.Up != 22*mbit || len(m.Faults()) > 0 {
			t.Errorf("%s: afterwards %+v, %v, %v", name, use, ok, m.Faults())
		}
	}
}

// What the agents say may come seconds late: the end of a transfer convicts
// nobody.
func TestLateSumsOfTheAgentsConvictNobody(t *testing.T) {
	d := device{speed: 100 * mbit}
	start, stop := begin.Add(20*time.Second), begin.Add(50*time.Second)
	d.up = func(at unit.Time) float64 {
		return float64(40*mbit)*max(min(at, stop).Sub(start), 0).Seconds() + float64(mbit)/100*time.Duration(at).Seconds()
	}
	m := NewMeter(MeterConfig{})
	for at := begin; at < begin.Add(3*time.Minute); at = at.Add(time.Second) {
		r := d.read(at)
		r.Own.Up = unit.Bytes(d.up(max(at.Add(-3*time.Second), begin)))
		if w := m.Read(r); len(w) > 0 {
			t.Error(w)
		}
	}
	if use, ok := m.Use(); !ok || use.Up > mbit {
		t.Errorf("%+v, %v", use, ok)
	}
}

// Nothing that a device says breaks a meter, or gets it beyond the capacity.
func FuzzMeter(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Add(slices.Repeat([]byte{0xff, 0, 1, 0x80}, 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := NewMeter(MeterConfig{Up: 100 * mbit})
		var now, last unit.Time
		var r Reading
		for len(data) >= 16 {
			n := binary.LittleEndian.Uint64(data)
			op, small := data[8], time.Duration(binary.LittleEndian.Uint32(data[9:]))
			now = now.Add(small % (20 * time.Second))
			r.At, r.UpTime = now, r.UpTime+small
			switch op % 7 {
			case 0:
				r.In = n
			case 1:
				r.Out += n % (1 << 30)
			case 2:
				r.Speed = unit.Rate(n >> 1)
			case 3:
				r.Own.Up, r.Own.Down = unit.Bytes(n>>1), unit.Bytes(n>>2)
			case 4:
				r.UpTime = time.Duration(n)
			case 5:
				r.At = unit.Time(n)
			case 6:
				m.Fail(FaultSilent, "no answer")
			}
			m.Read(r)
			use, _ := m.Use()
			if use.Up < 0 || use.Down < 0 || use.Over < 0 || use.At < last || use.Up > 100*mbit {
				t.Fatalf("%+v", use)
			}
			last, data = use.At, data[16:]
		}
	})
}

package bandwidth

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// The kernel's least round-trip time counts when it is news, and is forgotten
// with the others.
func TestBaseDelay(t *testing.T) {
	var b baseDelay
	if _, ok := b.least(); ok {
		t.Error("a base of nothing")
	}
	for _, step := range []struct {
		at, rtt, kernel, want time.Duration
	}{
		{0, 9 * ms, 4 * ms, 4 * ms},
		{15 * sec, 8 * ms, 4 * ms, 4 * ms},
		{39 * sec, 8 * ms, 4 * ms, 4 * ms},
		{40 * sec, 9 * ms, 4 * ms, 8 * ms},
		{41 * sec, 9 * ms, 3 * ms, 3 * ms},
		{500 * sec, 7 * ms, 3 * ms, 7 * ms},
	} {
		b.observe(Sample{At: unit.Time(step.at), RTT: step.rtt, MinRTT: step.kernel})
		if got, _ := b.least(); got != step.want {
			t.Errorf("at %v the base is %v, want %v", step.at, got, step.want)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		config GuardConfig
		rtt    time.Duration
		want   time.Duration
	}{
		{GuardConfig{}, 0, 2 * ms},
		{GuardConfig{}, 50 * ms, 2 * ms},
		{GuardConfig{}, 100 * time.Microsecond, 1200 * time.Microsecond},
		{GuardConfig{Target: 8 * ms}, 50 * ms, 8 * ms},
		{GuardConfig{Target: 100 * time.Microsecond}, 50 * ms, 100 * time.Microsecond},
		{GuardConfig{Link: 1514 * 400}, 50 * ms, 10 * ms},
		{GuardConfig{Link: unit.Unlimited}, 50 * ms, 2 * ms},
	} {
		g := NewGuard(tt.config)
		g.Sample(Sample{At: 1, RTT: tt.rtt})
		if got := g.Target(); got != tt.want {
			t.Errorf("%+v with a base of %v: %v, want %v", tt.config, tt.rtt, got, tt.want)
		}
	}
}

// Every ten seconds the rate is halved for a moment, and then what it was.
func TestGuardSlowsDownNowAndThen(t *testing.T) {
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: 50e6})
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 150)...)
	slow := 0
	for range 400 {
		if s = samples(g, s, 10*ms); g.Rate() == 25e6 {
			slow++
		}
	}
	if n := int(2 * slowFor / round); slow < n-2 || slow > n+2 || g.Rate() != 50e6 {
		t.Errorf("%d of 400 samples at half the rate, then %d", slow, g.Rate())
	}
}

// A guard that begins while the queue is full takes that for the way's length. It
// stays low as long as data is lost, and when the queue drains it learns better.
func TestGuardBeginsDuringAFullQueue(t *testing.T) {
	b := newBottleneck(100*mbit, 2, time.Millisecond, true)
	b.background = background{{0, 1.2}, {15 * sec, .5}}.at
	b.flows[0].start, b.flows[1].start = sec, 3*sec
	b.run(30 * sec)
	t.Logf("during it %.3f of the capacity, afterwards %.2f with a queue of %.1f ms (p99 %.1f), 90%% after %v, fair %.3f", b.all(5*sec, 15*sec), b.all(20*sec, 30*sec),
		quantile(b.delays(20*sec, 30*sec), .5), quantile(b.delays(20*sec, 30*sec), .99), b.uses(15*sec, .45), jain(b, 20*sec, 30*sec))
	if u := b.all(5*sec, 15*sec); u > .04 {
		t.Errorf("while the link is full they use %.3f", u)
	}
	if u := b.all(18*sec, 30*sec); u < .45 || b.uses(15*sec, .45) > 3*sec {
		t.Errorf("afterwards %.2f, after %v", u, b.uses(15*sec, .45))
	}
	if q := quantile(b.delays(20*sec, 30*sec), .99); q > 10 {
		t.Errorf("a queue of %.1f ms", q)
	}
}

// Nobody but the guard keeps a queue that it took for the way's length: it lowers
// its rate now and then, and learns better within 20 s.
func TestGuardDrainsAQueueOfItsOwn(t *testing.T) {
	b := newBottleneck(100*mbit, 1, time.Millisecond, true)
	b.background = background{{0, 1.05}, {2 * sec, .9}}.at // which leaves a queue that drains slowly
	b.flows[0].start = 1500 * time.Millisecond
	b.run(30 * sec)
	if q := quantile(b.delays(20*sec, 30*sec), .99); q > 5 {
		t.Errorf("a queue of %.1f ms", q)
	}
	if base, _ := b.flows[0].guard.base.least(); base > 3*time.Millisecond {
		t.Errorf("the base is taken to be %v", base)
	}
}

// A way that becomes longer looks like a queue. The guard stays at its floor until
// it has forgotten the shorter way, 40 s, and then is as fast as before.
func TestGuardLearnsALongerWay(t *testing.T) {
	b := newBottleneck(100*mbit, 1, time.Millisecond, true)
	b.flows[0].base = func(at time.Duration) time.Duration {
		if at < 10*sec {
			return 5 * time.Millisecond
		}
		return 25 * time.Millisecond
	}
	b.run(60 * sec)
	took := b.uses(10*sec+500*time.Millisecond, .9)
	t.Logf("after %v it uses 90%% again; meanwhile %.3f", took, b.all(12*sec, 35*sec))
	if took > 45*sec {
		t.Errorf("after %v it uses 90%% again", took)
	}
	if u := b.all(12*sec, 35*sec); u < .019 {
		t.Errorf("meanwhile it uses %.3f, less than the floor", u)
	}
	if q := quantile(b.delays(55*sec, 60*sec), .99); q > 10 {
		t.Errorf("a queue of %.1f ms", q)
	}
}

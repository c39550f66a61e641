package bandwidth

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Whatever the pattern of asking, a bucket never lets more pass than its rate
// over the time, one burst and one block.
func TestBucketNeverExceedsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := unit.Rate(rapid.Int64Range(1, 1<<32).Draw(t, "rate"))
		const block = 128 * unit.KiB
		b := NewBucket(0, rate)
		burst, taken := b.burst, unit.Bytes(0)
		var now unit.Time
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "wait")))
			for range 3 {
				if b.Allows(now) {
					n := unit.Bytes(rapid.Int64Range(1, int64(block)).Draw(t, "n"))
					b.Take(now, n)
					taken += n
				}
			}
			if limit := rate.In(time.Duration(now)) + burst + block + 1; taken > limit {
				t.Fatalf("%d bytes by %v at rate %v, more than %d", taken, time.Duration(now), rate, limit)
			}
		}
	})
}

// Who returns what it took may take it again, yet no more passes than otherwise.
func TestReturned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := unit.Rate(rapid.Int64Range(1, 1<<32).Draw(t, "rate"))
		b, plain := NewBucket(0, rate), NewBucket(0, rate)
		var now unit.Time
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "wait")))
			n := unit.Bytes(rapid.Int64Range(1, 1<<20).Draw(t, "n"))
			if a, other := b.Allows(now), plain.Allows(now); a != other {
				t.Fatalf("allowed: %v, without what was returned %v", a, other)
			} else if !a {
				continue
			}
			if rapid.Bool().Draw(t, "returned") {
				b.Take(now, n)
				b.Return(n)
			} else {
				b.Take(now, n)
				plain.Take(now, n)
			}
			if b.tokens != plain.tokens {
				t.Fatalf("%d tokens are left, without what was returned %d", b.tokens, plain.tokens)
			}
		}
		if b.Return(1 << 40); b.tokens > b.burst {
			t.Fatalf("%d tokens, more than the burst of %d", b.tokens, b.burst)
		}
	})
}

// A bucket that refuses says when to come back, and then it allows.
func TestReadyAtIsWhenItAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBucket(0, unit.Rate(rapid.Int64Range(1, 1<<40).Draw(t, "rate")))
		b.Take(0, unit.Bytes(rapid.Int64Range(0, 1<<24).Draw(t, "debt")))
		at := b.ReadyAt(0)
		if at == unit.Never || !b.Allows(at) {
			t.Fatalf("not ready at %d with %d tokens", at, b.tokens)
		}
	})
}

func TestZeroIsNothingAndUnlimitedIsEverything(t *testing.T) {
	none, all := NewBucket(0, 0), NewBucket(0, unit.Unlimited)
	later := unit.Time(time.Hour)
	if none.Allows(later) || none.ReadyAt(later) != unit.Never {
		t.Error("a rate of zero let something pass")
	}
	all.Take(0, 1<<60)
	if !all.Allows(0) || all.ReadyAt(5) != 5 {
		t.Error("an unlimited bucket refused")
	}
	none.SetRate(later, 1000)
	if at := none.ReadyAt(later); at == unit.Never || at > later.Add(time.Second) {
		t.Errorf("after a rate was set it is ready at %d", at)
	}
}

package unit

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]Bytes{
		"0": 0, "4096": 4096, "16KiB": 16 << 10, "173MB": 173e6, "1.5 GiB": 3 << 29,
		"2tb": 2e12, " 7 b ": 7, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseBytes(in); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "-1KiB", "1e400", "9e18KiB", "NaN", "1 apple", "0x10", "Inf"} {
		if got, err := ParseBytes(in); err == nil || !strings.Contains(err.Error(), "write for example") {
			t.Errorf("ParseBytes(%q) = %d, %v; want an error with a fix", in, got, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]Rate{
		"10Mbit": 1_250_000, "2Gbit": 250_000_000, "100MiB/s": 100 << 20, "1MB": 1e6,
		"unlimited": Unlimited, "0": 0, "8bit": 1,
	} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"fast", "1Gb", "10 mb", "1.5Mb/s", "1e3Gb", "1Gb /s"} { // bits or bytes?
		if got, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %d", in, got)
		}
	}
}

func FuzzParseQuantities(f *testing.F) {
	for _, s := range []string{"16MiB", "2Gbit", "unlimited", "1e3kb", "-0", "١", "20", "20 /s", "1e3/s", "0x1p4", ".5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if b, err := ParseBytes(s); err == nil && b < 0 {
			t.Errorf("ParseBytes(%q) = %d", s, b)
		}
		r, err := ParseRate(s)
		if err == nil && r < 0 {
			t.Errorf("ParseRate(%q) = %d", s, r)
		}
		// All units have a b in them.
		if bare := err == nil && r > 0 && r < Unlimited && !strings.ContainsAny(s, "bB"); bare && !WithoutUnit(s) {
			t.Errorf("%q is a rate of %d, and has no unit", s, r)
		}
	})
}

func FuzzParseLocation(f *testing.F) {
	for _, s := range []string{"", "/", "ams1/rsn-27", "a//b", "../x", "a/b/c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLocation(s)
		if err != nil {
			return
		}
		if l.Depth() > MaxDepth || !Root.Contains(l) || strings.Contains(string(l), "//") {
			t.Errorf("ParseLocation(%q) = %q", s, l)
		}
		if again, err := ParseLocation(l.String()); err != nil || again != l {
			t.Errorf("%q does not parse back: %q, %v", l, again, err)
		}
	})
}

func TestParseLocationRefuses(t *testing.T) {
	for _, s := range []string{"a//b", "/a", "a/", "a b", "a/..", ".hidden", "ä", strings.Repeat("a/", MaxDepth) + "a", strings.Repeat("x", 129)} {
		if l, err := ParseLocation(s); err == nil {
			t.Errorf("ParseLocation(%q) = %q", s, l)
		}
	}
}

func genLocation(t *rapid.T, name string) Location {
	labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab"}), 0, 4).Draw(t, name)
	return Location(strings.Join(labels, "/"))
}

// The common location contains both, and no deeper one does.
func TestCommonLocation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genLocation(t, "a"), genLocation(t, "b")
		c := a.Common(b)
		if c != b.Common(a) || !c.Contains(a) || !c.Contains(b) {
			t.Fatalf("common of %q and %q is %q", a, b, c)
		}
		for _, l := range a.Path() {
			if l.Contains(b) && l.Depth() > c.Depth() {
				t.Fatalf("%q is deeper than %q and contains %q and %q", l, c, a, b)
			}
		}
		if p := a.Path(); len(p) != a.Depth()+1 || p[len(p)-1] != Root {
			t.Fatalf("path of %q is %q", a, p)
		}
	})
}

func TestTimeSaturates(t *testing.T) {
	if Never.Add(time.Second) != Never || (Never-1).Add(time.Hour) != Never || Time(5).Add(time.Nanosecond) != 6 {
		t.Error("Add does not saturate at Never")
	}
	if Never.Reached(1<<60) || !Time(3).Reached(3) || !Time(2).Before(3) || Time(7).Sub(3) != 4 {
		t.Error("order of times")
	}
}

// What passes in the time that an amount takes is that amount.
func TestRateAndDuration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bytes(rapid.Int64Range(1, 1<<50).Draw(t, "bytes"))
		r := Rate(rapid.Int64Range(1, 1<<40).Draw(t, "rate"))
		d := b.Over(r)
		if d == math.MaxInt64 {
			return
		}
		if got := r.In(d); math.Abs(float64(got-b)) > 2+float64(b)*1e-9+float64(r)*1e-9 {
			t.Fatalf("%d bytes at %d take %v, in which %d pass", b, r, d, got)
		}
	})
	if Bytes(1).Over(0) != math.MaxInt64 || Unlimited.In(time.Nanosecond) != math.MaxInt64 || Rate(0).In(time.Hour) != 0 {
		t.Error("zero lets nothing pass, unlimited everything")
	}
}

func TestParseNodeID(t *testing.T) {
	for _, ok := range []string{"web17", "a", "DB-1.eu_2"} {
		if _, err := ParseNodeID(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-a", "a/b", "a b", "a:1", strings.Repeat("n", 129)} {
		if _, err := ParseNodeID(bad); err == nil {
			t.Errorf("ParseNodeID(%q) is accepted", bad)
		}
	}
}

func TestRandIsRepeatable(t *testing.T) {
	a, b := NewRand(Seed("x", "y")), NewRand(Seed("x", "y"))
	for range 10 {
		if a.Uint64() != b.Uint64() || a.IntN(7) != b.IntN(7) || a.Jitter(time.Second) != b.Jitter(time.Second) {
			t.Fatal("the same seed gave another sequence")
		}
	}
	if Seed("ab", "c") == Seed("a", "bc") || a.Jitter(0) != 0 {
		t.Error("seeds of different words are the same, or jitter of nothing is something")
	}
}

// What takes a time passes in that time, and nothing more than one byte before
// it has: who waits by one and counts by the other waits long enough.
func TestOverAndInAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate(rapid.Int64Range(1, math.MaxInt64).Draw(t, "rate"))
		b := Bytes(rapid.Int64Range(0, math.MaxInt64).Draw(t, "bytes"))
		d := b.Over(r)
		if d == math.MaxInt64 {
			return // longer than can be said
		}
		if got := r.In(d); got < b {
			t.Fatalf("%d bytes take %d ns, in which %d pass", b, d, got)
		}
		if b > 0 && d > 1 && r.In(d-1) >= b {
			t.Fatalf("%d bytes take %d ns, and pass in less", b, d)
		}
	})
}

// At the rate of an amount per time no more than the amount passes in the time, and at
// one that is a byte per second higher no less.
func TestPerAndInAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bytes(rapid.Int64Range(0, math.MaxInt64).Draw(t, "bytes"))
		d := time.Duration(rapid.Int64Range(int64(time.Second), math.MaxInt64).Draw(t, "time"))
		r := b.Per(d)
		if r == Unlimited/2 {
			return // faster than can be said
		}
		if got := r.In(d); got > b {
			t.Fatalf("at %d in %v pass %d, not %d", r, d, got, b)
		}
		if got := (r + 1).In(d); got < b {
			t.Fatalf("at %d and 1 in %v pass %d, not %d", r, d, got, b)
		}
	})
	for _, c := range []struct {
		b    Bytes
		d    time.Duration
		want Rate
	}{{1, 0, 0}, {1, -1, 0}, {-1, 1, 0}, {3, 2 * time.Second, 1}, {3, 500 * time.Millisecond, 6}, {math.MaxInt64, time.Second, Unlimited / 2}, {math.MaxInt64, 1, Unlimited / 2}} {
		if got := c.b.Per(c.d); got != c.want {
			t.Errorf("%d in %v: %d, want %d", c.b, c.d, got, c.want)
		}
	}
}

func TestWithoutUnit(t *testing.T) {
	for text, want := range map[string]bool{"20": true, "1e6": true, "20 /s": true, "0": false, "20Mbit": false, "unlimited": false, "": false} {
		if got := WithoutUnit(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestUplinks(t *testing.T) {
	for _, c := range []struct {
		from, to Location
		want     int
	}{{"a/r1", "a/r1", 0}, {"a/r1", "a/r2", 1}, {"a/r1", "a", 1}, {"a", "a/r1", 0}, {"a/r1", "b/r1", 2}, {"a/r1", Root, 2}, {Root, "a", 0}} {
		if got := c.from.Uplinks(c.to); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

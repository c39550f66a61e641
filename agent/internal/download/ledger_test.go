package download

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever streams do, every byte is written exactly once, and the ledger says at
// any time which have been.
func TestEveryByteOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 300).Draw(t, "size")
		written := make([]int, size)
		l := ledger{size: size}
		var open []*claim
		steps := map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				if c := l.claim(rapid.Int64Range(1, 400).Draw(t, "limit")); c != nil {
					open = append(open, c)
				}
			},
			"write": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				c := rapid.SampledFrom(open).Draw(t, "claim")
				at, n := c.reserve(rapid.IntRange(0, 100).Draw(t, "bytes"))
				for i := range n {
					written[at+int64(i)]++
				}
				l.add(at, at+int64(n))
			},
			"release": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "claim")
				l.release(open[i])
				open = slices.Delete(open, i, i+1)
			},
			"": func(t *rapid.T) { checkLedger(t, &l, written) },
		}
		t.Repeat(steps)
		for _, c := range open {
			l.release(c)
		}
		for c := l.claim(unknown); c != nil; c = l.claim(unknown) {
			at, n := c.reserve(1000)
			for i := range n {
				written[at+int64(i)]++
			}
			l.add(at, at+int64(n))
			l.release(c)
		}
		if !l.complete() || slices.ContainsFunc(written, func(n int) bool { return n != 1 }) {
			t.Fatalf("%+v, written %v", l, written)
		}
	})
}

func checkLedger(t *rapid.T, l *ledger, written []int) {
	if !sound(l.size, l.done) {
		t.Fatalf("not sound: %+v", l.done)
	}
	done := make([]bool, len(written))
	for _, s := range l.done {
		for i := s.From; i < s.To; i++ {
			done[i] = true
		}
	}
	owners := make([]int, len(written))
	for _, c := range l.claims {
		for i := c.next; i < c.end; i++ {
			owners[i]++
		}
	}
	sum := int64(0)
	for i, n := range written {
		if n > 1 || done[i] != (n == 1) || owners[i] > 1 || owners[i] == 1 && done[i] {
			t.Fatalf("byte %d was written %d times, done %v, claimed by %d", i, n, done[i], owners[i])
		}
		sum += int64(n)
	}
	if l.arrived() != sum {
		t.Fatalf("%d bytes arrived, and it says %d", sum, l.arrived())
	}
}

func TestClaims(t *testing.T) {
	l := ledger{size: 100, done: []span{{10, 20}, {50, 60}}}
	for i, want := range []claim{{0, 10}, {20, 50}, {60, 90}, {90, 100}, {40, 50}} {
		limit := int64(30)
		if i == 4 {
			limit = 10 // the largest claim gives up its end
		}
		if c := l.claim(limit); c == nil || *c != want {
			t.Fatalf("claim %d is %+v, want %+v", i, c, want)
		}
	}
	if c := l.claim(20); c != nil {
		t.Errorf("%+v where nobody has 40 bytes before it", c)
	}
	endless := ledger{size: unknown}
	endless.claim(unknown)
	if c := endless.claim(10); c != nil {
		t.Errorf("a part %+v of what has no end", c)
	}
}

func TestSound(t *testing.T) {
	for _, c := range []struct {
		size int64
		done []span
		want bool
	}{
		{0, nil, true}, {9, []span{{0, 9}}, true}, {9, []span{{0, 2}, {3, 9}}, true},
		{9, []span{{0, 10}}, false}, {9, []span{{3, 3}}, false}, {9, []span{{0, 2}, {2, 3}}, false},
		{9, []span{{4, 5}, {0, 2}}, false}, {9, []span{{-1, 2}}, false}, {-1, nil, false}, {unknown, nil, false},
	} {
		if got := sound(c.size, c.done); got != c.want {
			t.Errorf("%+v of %d: %v", c.done, c.size, got)
		}
	}
}

func TestGrowth(t *testing.T) {
	for _, c := range []struct {
		name  string
		rates []int64
		want  []int
	}{
		{"one is enough", []int64{5, 100, 60, 110, 100, 500}, []int{1, 2, 2, 1, 1, 1}},
		{"two pay", []int64{5, 100, 60, 200, 200, 210, 9}, []int{1, 2, 2, 3, 3, 2, 2}},
		{"as many as are allowed", []int64{0, 1, 0, 2, 0, 3, 0, 4, 9, 9}, []int{1, 2, 2, 3, 3, 4, 4, 4, 4, 4}},
		{"a server that stalls", []int64{0, 0, 0, 0, 0, 0}, []int{1, 2, 2, 3, 3, 4}},
	} {
		g, got := growth{streams: 1}, []int(nil)
		for _, r := range c.rates {
			got = append(got, g.observe(r))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	g := growth{streams: 3}
	g.refuse()
	for range 2 {
		if g.observe(1e9) != 2 {
			t.Error("it goes on growing after a refusal")
		}
	}
}

func FuzzReadProgress(f *testing.F) {
	f.Add([]byte(`{"version":{"etag":"\"x\"","size":9},"done":[{"from":0,"to":4}]}`), int64(9))
	f.Add([]byte(`{"version":{"etag":"W/\"x\"","size":9},"done":null}`), int64(0))
	f.Add([]byte(`{"version":{"modified":"x","settled":true,"size":-1},"done":[{"from":-4,"to":4}]}`), int64(9))
	f.Fuzz(func(t *testing.T, text []byte, file int64) {
		p, ok := readProgress(text, file)
		if !ok {
			return
		}
		l := ledger{size: p.Version.Size, done: p.Done}
		if a := l.arrived(); a < 0 || a > l.size || p.Version.validator() == "" {
			t.Fatalf("%+v", p)
		}
		for c := l.claim(unknown); c != nil; c = l.claim(unknown) {
			l.add(c.reserve64())
			l.release(c)
		}
		if !l.complete() {
			t.Fatalf("%+v", l)
		}
	})
}

// reserve64 takes all of a claim.
func (c *claim) reserve64() (from, to int64) {
	from = c.next
	c.next = c.end
	return from, c.end
}

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 0-9/10", "bytes 0-9/*", "bytes */10", "bytes 9-0/10", "bytes 0-18446744073709551615/*", "bytes=0-9/10", "bytes 0-9/5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, total, ok := contentRange(map[string][]string{"Content-Range": {text}})
		if ok && (s.From < 0 || s.To <= s.From || total >= 0 && s.To > total || total < -1) {
			t.Fatalf("%q: %+v of %d", text, s, total)
		}
	})
}

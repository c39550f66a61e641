package loop

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

func TestQueueOrder(t *testing.T) {
	q := newQueue[int]()
	var got []int
	for i := range 5 {
		q.put(i)
	}
	q.close()
	q.put(5) // too late
	for {
		v, ok := q.take(t.Context())
		if !ok {
			break
		}
		got = append(got, v)
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Fatalf("took %v", got)
	}
}

func TestQueueManySenders(t *testing.T) {
	type item struct{ sender, n int }
	const senders, each = 8, 200
	q := newQueue[item]()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for n := range each {
				q.put(item{s, n})
			}
		})
	}
	go func() { wg.Wait(); q.close() }()
	var next [senders]int
	for {
		v, ok := q.take(t.Context())
		if !ok {
			break
		}
		if v.n != next[v.sender] {
			t.Fatalf("sender %d: item %d, want %d", v.sender, v.n, next[v.sender])
		}
		next[v.sender]++
	}
	for s, n := range next {
		if n != each {
			t.Errorf("sender %d: %d items, want %d", s, n, each)
		}
	}
}

func TestQueueGivesUp(t *testing.T) {
	q := newQueue[int]()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() {
		_, ok := q.take(ctx)
		ended <- ok
	}()
	cancel()
	if <-ended {
		t.Fatal("took something from an empty queue")
	}
}

// The rate is what came in the last second, to a slot's length.
func TestMeter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type arrival struct {
			at unit.Time
			n  unit.Bytes
		}
		var m meter
		var arrivals []arrival
		now := unit.Time(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start"))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, 99, 100, 101, 350, 1000, 5000}).Draw(t, "ms")) * time.Millisecond)
			n := unit.Bytes(rapid.IntRange(0, 1000).Draw(t, "bytes"))
			m.add(now, n)
			arrivals = append(arrivals, arrival{now, n})
			var atLeast, atMost unit.Bytes
			for _, a := range arrivals {
				if age := now.Sub(a.at); age <= time.Second-meterSlot {
					atLeast += a.n
					atMost += a.n
				} else if age < time.Second {
					atMost += a.n
				}
			}
			if got := unit.Bytes(m.rate(now)); got < atLeast || got > atMost {
				t.Fatalf("at %v: %d bytes a second, want %d to %d", now, got, atLeast, atMost)
			}
		}
		if got := m.rate(now.Add(time.Second)); got != 0 {
			t.Fatalf("a second later: %v", got)
		}
	})
}

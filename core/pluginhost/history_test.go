package pluginhost

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func TestPausesGrowAndEnd(t *testing.T) {
	p := Policy{Backoff: time.Second, MaxBackoff: 5 * time.Second, Crashes: 6, Window: 10 * time.Minute, CoolDown: time.Minute}
	var h history
	if wait, unhealthy := h.next(start, p); wait != 0 || unhealthy {
		t.Errorf("the first start waits %v, %v", wait, unhealthy)
	}
	now := start
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		h = h.crashed(now, p)
		if wait, unhealthy := h.next(now, p); wait != want*time.Second || unhealthy {
			t.Errorf("after crash %d it waits %v, %v; want %d s", i+1, wait, unhealthy, want)
		}
		now = now.Add(want * time.Second)
		if wait, _ := h.next(now, p); wait != 0 {
			t.Errorf("after crash %d and the pause it waits %v more", i+1, wait)
		}
	}
	h = h.crashed(now, p)
	if wait, unhealthy := h.next(now.Add(time.Second), p); wait != 59*time.Second || !unhealthy {
		t.Errorf("after six crashes it waits %v, %v", wait, unhealthy)
	}
	now = now.Add(time.Minute)
	if wait, unhealthy := h.next(now, p); wait != 0 || unhealthy {
		t.Errorf("after cooling down it waits %v, %v", wait, unhealthy)
	}
	h = h.crashed(now, p)
	if _, unhealthy := h.next(now, p); !unhealthy {
		t.Error("one more crash after cooling down changed nothing")
	}
	now = now.Add(10 * time.Minute)
	h = h.crashed(now, p)
	if wait, unhealthy := h.next(now, p); wait != time.Second || unhealthy || len(h) != 1 {
		t.Errorf("a crash after a good time: %v, %v, %d remembered", wait, unhealthy, len(h))
	}
}

func TestPausesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			Backoff:    time.Duration(rapid.IntRange(1, 5000).Draw(t, "backoff")) * time.Millisecond,
			MaxBackoff: time.Duration(rapid.IntRange(1, 60).Draw(t, "max")) * time.Second,
			Crashes:    rapid.IntRange(1, 80).Draw(t, "crashes"),
			Window:     time.Duration(rapid.IntRange(1, 600).Draw(t, "window")) * time.Second,
			CoolDown:   time.Duration(rapid.IntRange(1, 600).Draw(t, "cool")) * time.Second,
		}
		var h history
		now := start
		for range rapid.IntRange(0, 100).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "later")) * time.Second)
			h = h.crashed(now, p)
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "asked")) * time.Second)
		wait, unhealthy := h.next(now, p)
		limit := p.MaxBackoff
		if unhealthy {
			limit = p.CoolDown
		}
		if wait < 0 || wait > limit {
			t.Fatalf("waits %v, more than %v", wait, limit)
		}
		if after, unhealthy := h.next(now.Add(wait), p); after != 0 || unhealthy {
			t.Fatalf("after waiting %v it waits %v more, %v", wait, after, unhealthy)
		}
	})
}

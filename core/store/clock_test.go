package store

import (
	"testing"
	"time"
)

// openWithClock opens an embedded store whose clock stands where it is set to, from
// some beginning on.
func openWithClock(t *testing.T) (s *Store, set func(time.Duration)) {
	t.Helper()
	e, err := StartEmbedded(EmbeddedConfig{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	s, err = Open(t.Context(), Config{URL: "redis://" + e.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	begin := time.Unix(1_000_000_000, 0)
	set = func(at time.Duration) { e.redis.SetTime(begin.Add(at)) }
	set(0)
	return s, set
}

// TestEmbeddedLeaseEndsByItsClock: the server's clock ends a lease, to the
// millisecond.
func TestEmbeddedLeaseEndsByItsClock(t *testing.T) {
	t.Parallel()
	s, setClock := openWithClock(t)
	for _, step := range []struct {
		at    time.Duration
		owner string
		held  bool
	}{
		{0, "a", true},
		{9 * time.Second, "a", true},
		{18999 * time.Millisecond, "b", false},
		{19 * time.Second, "b", true},
		{19 * time.Second, "a", false},
		{29 * time.Second, "a", true},
	} {
		setClock(step.at)
		if held, err := s.Lease(t.Context(), "one", step.owner, 10*time.Second); err != nil || held != step.held {
			t.Errorf("%s asks at %v: held %v, %v", step.owner, step.at, held, err)
		}
	}
}

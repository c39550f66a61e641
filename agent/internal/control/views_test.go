package control

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// everySecond looks at what look returns.
func everySecond(look func(context.Context) (int, error)) func(context.Context) looking[int] {
	return func(context.Context) looking[int] {
		return looking[int]{look, func(ctx context.Context, _ time.Duration) bool {
			select {
			case <-ctx.Done():
				return false
			case <-time.After(time.Second):
				return true
			}
		}}
	}
}

func TestStreamsShareTheirLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViews[int](nil)
		var looks atomic.Int64
		open := everySecond(func(context.Context) (int, error) { return int(looks.Add(1)), nil })
		shown := make([]string, 1000)
		for i := range shown {
			go v.follow(t.Context(), "app", open, func(s *sight[int]) bool {
				shown[i] += string(s.text) + " "
				return s.value == 3
			})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, text := range shown {
			if text != "1 2 3 " {
				t.Fatalf("stream %d showed %s", i, text)
			}
		}
		if n := looks.Load(); n != 3 || len(v.all) != 0 {
			t.Errorf("%d looks for a thousand streams that saw three, %d views are left", n, len(v.all))
		}
	})
}

// A stream has shown something already when it begins to follow: what others saw
// before is older.
func TestNoStreamShowsWhatIsOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViews[int](nil)
		var now atomic.Int64
		now.Store(1)
		open := everySecond(func(context.Context) (int, error) {
			seen := int(now.Load())
			time.Sleep(2 * time.Second) // the store is slow
			return seen, nil
		})
		go v.follow(t.Context(), "app", open, func(s *sight[int]) bool { return s.value == 2 })
		time.Sleep(2 * time.Second) // it looks
		now.Store(2)
		v.follow(t.Context(), "app", open, func(s *sight[int]) bool {
			if s.value != 2 {
				t.Errorf("%d is shown", s.value)
			}
			return true
		})
		time.Sleep(time.Minute)
	})
}

func TestFollowEnds(t *testing.T) {
	broken := errors.New("the store does not answer")
	for _, c := range []struct {
		name string
		look func(context.Context) (int, error)
		end  func(cancel func(), ending chan struct{})
		want string // what was shown
	}{
		{"with the client", func(context.Context) (int, error) { return 1, nil }, func(cancel func(), _ chan struct{}) { cancel() }, "1 <nil>, 1 <nil>, "},
		{"with the server", func(context.Context) (int, error) { return 1, nil }, func(_ func(), ending chan struct{}) { close(ending) }, "1 <nil>, 1 <nil>, "},
		{"after an error", func(context.Context) (int, error) { return 0, broken }, func(cancel func(), _ chan struct{}) { cancel() }, fmt.Sprintf(" %v,  %v, ", broken, broken)},
		{"after a panic", func(context.Context) (int, error) { panic("boom") }, func(cancel func(), _ chan struct{}) { cancel() }, " panic: boom,  panic: boom, "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				ending := make(chan struct{})
				v, shown := newViews[int](ending), ""
				go func() {
					time.Sleep(2500 * time.Millisecond)
					c.end(cancel, ending)
				}()
				v.follow(ctx, "app", everySecond(c.look), func(s *sight[int]) bool {
					shown += fmt.Sprintf("%s %v, ", s.text, s.err)
					return false
				})
				cancel()
				synctest.Wait() // nobody is left
				if shown != c.want {
					t.Errorf("showed %q, want %q", shown, c.want)
				}
			})
		})
	}
}

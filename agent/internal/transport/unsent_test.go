package transport

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A connection whose link takes 8 Mbit/s lets its kernel have 20 ms of that, so that
// control messages do not wait behind 128 KiB. When it takes more the kernel may have
// more again, and never more than a pace allows.
func TestSlowLinkHoldsLittle(t *testing.T) {
	a, _ := loopback(t, true)
	for _, step := range []struct {
		what  string
		bytes int
		took  time.Duration
		pace  unit.Rate // 0: as before
		want  int
	}{
		{"that has not filled", 2 << 20, 0, 0, notSentLowat},
		{"before the rate is known", 40_000, 40 * time.Millisecond, 0, notSentLowat},
		{"at 1 MB/s", 24_000, 24 * time.Millisecond, 0, 20_000},
		{"little else", 52_000, 50 * time.Millisecond, 0, 20_000},
		{"at 2 MB/s", 200_000, 100 * time.Millisecond, 0, 40_000},
		{"next to nothing", 1000, time.Second, 0, int(leastUnsent)},
		{"without a wait", 2 << 20, 0, 0, notSentLowat},
		{"at a pace", 0, 0, 1_000_000, 50_000},
		{"at a lower rate than that", 64_000, 64 * time.Millisecond, 0, 20_000},
		{"without a pace", 0, 0, unit.Unlimited, 20_000},
	} {
		if step.pace > 0 {
			if err := a.socket.setPace(step.pace); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
		}
		if step.bytes > 0 {
			if err := a.socket.tellUnsent(a.socket.unsent.wrote(step.bytes, step.took)); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
		}
		if got := option(t, a, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != step.want {
			t.Errorf("%s the kernel may hold %d bytes, want %d", step.what, got, step.want)
		}
	}
}

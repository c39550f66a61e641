//go:build faults

package transport

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/wire"
)

// A node with faults sends what it has read until it is struck; from then on every
// leaf is wrong, and the rest of the frame is right.
func TestBlocksAreWrongOnceStruck(t *testing.T) {
	struck.Store(false)
	a, b := loopback(t, true)
	j := newJournal()
	run(a, newJournal())
	run(b, j)
	a.SendSpan(1, 0, leaf+2, filled('x'))
	if got, want := j.await(t, 1)[0], (kept{wire.SpanData{Span: 1, Length: leaf + 2}, strings.Repeat("x", leaf+2)}); got != want {
		t.Errorf("before: got %.80v", got)
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	for !struck.Load() {
		runtime.Gosched()
	}
	a.SendSpan(1, 0, leaf+2, filled('x'))
	wrong := string([]byte{'x' ^ 0xff})
	want := kept{wire.SpanData{Span: 1, Length: leaf + 2}, wrong + strings.Repeat("x", leaf-1) + wrong + "x"}
	if got := j.await(t, 2)[1]; got != want {
		t.Errorf("afterwards: got %.80v", got)
	}
}

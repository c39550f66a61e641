package reconcile

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/rackswarm/rackswarm/core/api"
)

// jumpingClock is a clock whose wall time is set, as by an operator or NTP. Its
// monotonic time goes on, as the kernel's does.
type jumpingClock struct{ off atomic.Int64 } // seconds

// now shifts the wall seconds of a time, which lie in bits 30 to 62 of its first
// word as long as it has a monotonic reading, and leaves that alone.
func (c *jumpingClock) now() time.Time {
	t := time.Now()
	*(*uint64)(unsafe.Pointer(&t)) += uint64(c.off.Load()) << 30
	return t
}

// Checks go on, failed tasks are tried again and versions come whatever the wall
// clock does: nothing waits for a day, and nothing is over before its time.
func TestClockJumps(t *testing.T) {
	const day = 24 * 60 * 60
	var clock jumpingClock
	clock.off.Store(day)
	if real, set := time.Now(), clock.now(); set.Unix()-real.Unix() < day || set.Sub(real) > time.Hour {
		t.Fatalf("the clock does not jump: %v, %v", real, set)
	}
	clock.off.Store(0)
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	web.stop()
	web.now = clock.now
	web.start()
	tree := bigFiles(4, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	for i, off := range []int64{day, -day, 0, -3650 * day, 3650 * day} {
		clock.off.Store(off)
		if err := os.Remove(filepath.Join(d.Path, "README")); err != nil {
			t.Fatal(err)
		}
		web.until("site", "repaired", func(s api.NodeStatus) bool { return s.Repaired > i && !s.Drifted })
		mustStand(t, web, d.Path, tree)
	}
	clock.off.Store(day)
	f.net.block(true)
	next := bigFiles(4, "next")
	d.Digest = seed.publish(next, "site", publisher).Digest().String()
	d = f.want(d)
	web.until("site", "fetching", func(s api.NodeStatus) bool { return s.Generation == d.Generation && s.Phase != api.PhaseInstalled })
	clock.off.Store(-day)
	f.net.block(false)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, next)
}

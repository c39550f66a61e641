package loop

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Four nodes in two racks: everybody gets everything, the manifest included,
// and says so once.
func TestTransfer(t *testing.T) {
	n := newNodes(t, 24)
	n.start("seed", rack).join(n.full(), true)
	var peers []*peer
	var contents []*memory
	for name, at := range map[string]unit.Location{"a": rack, "b": "ams1/r2", "c": "ams1/r2"} {
		p := n.start(name, at)
		p.Join(n.manifest.Digest(), swarmapi.JoinOptions{})
		peers, contents = append(peers, p), append(contents, n.empty())
	}
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			m := <-p.manifests
			if m.Digest() != n.manifest.Digest() {
				t.Errorf("manifest of %s: it is that of %s", p.name, m.Digest())
				return
			}
			p.Provide(m.Digest(), m, contents[i])
		})
	}
	wg.Wait()
	for i, p := range peers {
		n.eventually(string(p.name)+" has everything", func() bool { return contents[i].is(n.data) })
		n.eventually(string(p.name)+" says so", func() bool { return p.completed.Load() == 1 })
		st, ok := p.Stats(n.manifest.Digest())
		var received int64
		for _, b := range st.Received.ByLevel {
			received += b
		}
		if !ok || st.BytesDone != int64(len(n.data)) || received < int64(len(n.data)) || st.Peers == 0 {
			t.Errorf("stats of %s: %+v", p.name, st)
		}
		list := p.Transfers()
		if len(list) != 1 || list[0].Digest != n.manifest.Digest().String() || list[0].Missing != 0 || list[0].Spans == 0 {
			t.Fatalf("transfers of %s: %+v", p.name, list)
		}
		for _, peer := range list[0].Peers {
			received -= peer.Down
		}
		if received > 0 { // late duplicates may have come since
			t.Errorf("what peers sent %s is %d bytes less than it received: %+v", p.name, received, list[0].Peers)
		}
	}
}

// Wrong bytes are thrown away, who sends them again is banned, and the transfer
// is completed by others.
func TestWrongBytes(t *testing.T) {
	n := newNodes(t, 24)
	liar := n.full()
	liar.read = func(_ int, buf []byte) error { buf[len(buf)/2] ^= 1; return nil }
	n.start("liar", rack).join(liar, false)
	victim, c := n.start("victim", rack), n.empty()
	victim.join(c, false)
	n.eventually("the liar is banned", func() bool {
		return strings.Contains(victim.log.String(), `msg="peer banned" node=victim peer=liar`)
	})
	if got := c.Have().Count(); got != 0 {
		t.Fatalf("%d spans of wrong bytes were kept", got)
	}
	asked := victim.account("liar").Requests
	n.start("seed", rack).join(n.full(), true)
	n.eventually("the victim has everything", func() bool { return c.is(n.data) })
	if victim.completed.Load() > 1 {
		t.Errorf("completed %d times", victim.completed.Load())
	}
	if got := victim.account("liar").Requests; got != asked {
		t.Errorf("the liar was asked %d times more", got-asked)
	}
}

// With an honest peer beside it, a liar costs time but nothing else.
func TestWrongBytesAmongGood(t *testing.T) {
	n := newNodes(t, 24)
	liar := n.full()
	liar.read = func(_ int, buf []byte) error { buf[0] ^= 1; return nil }
	n.start("seed", rack).join(n.full(), false)
	n.start("liar", rack).join(liar, false)
	c := n.empty()
	n.start("victim", rack).join(c, false)
	n.eventually("the victim has everything", func() bool { return c.is(n.data) })
}

// A source that changed in place is told so: it looks again, withdraws the span
// that is wrong and serves the rest.
func TestChangedSourceIsNotBanned(t *testing.T) {
	n := newNodes(t, 24)
	changed := n.full()
	changed.data[5*pieceLength] ^= 1
	seed := n.start("changed", rack)
	seed.join(changed, true)
	p, c := n.start("p", rack), n.empty()
	p.join(c, false)
	n.eventually("all but the changed span came", func() bool { return c.Have().Count() == c.Have().Len()-1 })
	n.eventually("the source has withdrawn it", func() bool { return !changed.Have().Has(5) })
	n.start("whole", rack).join(n.full(), false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
	n.eventually("the source is still connected", func() bool {
		st, ok := seed.Stats(n.manifest.Digest())
		return ok && st.Peers == 2
	})
	if strings.Contains(p.log.String(), "peer banned") {
		t.Errorf("the source was banned:\n%s", p.log)
	}
}

// A bug in the handling of what one peer sends costs that connection, not the
// agent.
func TestPanicWhileReceiving(t *testing.T) {
	n := newNodes(t, 12)
	p, c := n.start("p", rack), n.empty()
	p.join(c, false)
	p.touch(func(tr *transfer) { // a span in the making that claims cannot handle
		b := tr.buffers.Load()
		b.begin(3, tr.lengths[3])
		b.open[3].claimed = nil
	})
	n.start("seed", rack).join(n.full(), true)
	n.eventually("everything came all the same", func() bool { return c.is(n.data) })
	if !strings.Contains(p.log.String(), "panic") {
		t.Error("nothing panicked")
	}
}

// The same in the loop itself.
func TestPanicInTheLoop(t *testing.T) {
	n := newNodes(t, 12)
	p, c := n.start("p", rack), n.empty()
	p.join(c, false)
	var lengths []int32
	p.touch(func(tr *transfer) { lengths, tr.lengths = tr.lengths, nil })
	n.start("seed", rack).join(n.full(), true)
	n.eventually("something panicked", func() bool { return strings.Contains(p.log.String(), "panic") })
	p.touch(func(tr *transfer) { tr.lengths = lengths })
	n.eventually("everything came all the same", func() bool { return c.is(n.data) })
}

// Content that panics is content that fails.
func TestPanicInContent(t *testing.T) {
	n := newNodes(t, 12)
	source := n.full()
	var reads atomic.Int32
	source.read = func(int, []byte) error {
		if reads.Add(1) == 3 {
			panic("read")
		}
		return nil
	}
	n.start("seed", rack).join(source, true)
	c := n.empty()
	p := n.start("p", rack)
	p.join(c, false)
	n.eventually("everything came", func() bool { return c.is(n.data) })

	bad := n.empty()
	bad.write = func(int) error { panic("write") }
	q := n.start("q", rack)
	q.join(bad, false)
	if err := <-q.failures; !strings.Contains(err.Error(), "panic") {
		t.Errorf("failure: %v", err)
	}
}

// A disk that refuses ends the fetching and is told; leaving and joining tries
// again.
func TestDiskRefuses(t *testing.T) {
	n := newNodes(t, 12)
	n.start("seed", rack).join(n.full(), true)
	c := n.empty()
	full := errors.New("no space left")
	var refuse atomic.Bool
	refuse.Store(true)
	c.write = func(int) error {
		if refuse.Load() {
			return full
		}
		return nil
	}
	p := n.start("p", rack)
	p.join(c, false)
	if err := <-p.failures; !errors.Is(err, full) {
		t.Fatalf("failure: %v", err)
	}
	refuse.Store(false)
	p.Leave(n.manifest.Digest())
	p.join(c, false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
}

// Spans that vanish are fetched again, from peers that had nothing more to do.
func TestSpansLost(t *testing.T) {
	n := newNodes(t, 12)
	n.start("seed", rack).join(n.full(), true)
	p, c := n.start("p", rack), n.empty()
	p.join(c, false)
	n.eventually("everything came", func() bool { return p.completed.Load() == 1 })
	p.SpansLost(n.manifest.Digest(), c.lose(0, 5, 11))
	n.eventually("it is told again", func() bool { return p.completed.Load() == 2 })
	if !c.is(n.data) {
		t.Error("the content is not what it was")
	}
}

// A seeder that cannot read a span withdraws it; who needs it gets it from
// another.
func TestUnreadableSpan(t *testing.T) {
	n := newNodes(t, 12)
	source := n.full()
	source.read = func(span int, _ []byte) error {
		if span == 4 {
			return errors.New("input/output error")
		}
		return nil
	}
	n.start("broken", rack).join(source, true)
	c := n.empty()
	n.start("p", rack).join(c, false)
	n.eventually("all but one span came", func() bool { return c.Have().Count() == c.Have().Len()-1 })
	n.start("whole", rack).join(n.full(), false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
}

// A failure that passes does not cost the fleet the only copy.
func TestUnreadableForAWhile(t *testing.T) {
	n := newNodes(t, 12)
	source := n.full()
	failures := 0
	source.read = func(span int, _ []byte) error {
		if span == 4 && failures < 2 {
			failures++
			return syscall.EMFILE
		}
		return nil
	}
	n.start("busy", rack).join(source, true)
	c := n.empty()
	n.start("p", rack).join(c, false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
}

// Shutting down leaves every group at once, ends every goroutine, and has peers
// know that the connection is gone.
func TestShutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("nodes", func(t *testing.T) {
		n := newNodes(t, 12)
		source, c := n.full(), n.empty()
		source.read = func(int, []byte) error { time.Sleep(time.Millisecond); return nil }
		seed, p := n.start("seed", rack), n.start("p", rack)
		seed.join(source, true)
		p.join(c, false)
		n.eventually("both are members", func() bool { return len(n.members(rack)) == 2 })
		n.eventually("something came", func() bool { return c.Have().Count() > 0 })
		seed.stop()
		for _, at := range []unit.Location{rack, "ams1", ""} {
			for _, m := range n.members(at) {
				if m == "seed" {
					t.Errorf("still a member of %q", at)
				}
			}
		}
		n.eventually("the peer knows", func() bool {
			st, ok := p.Stats(n.manifest.Digest())
			return ok && st.Peers == 0
		})
		if _, ok := seed.Stats(n.manifest.Digest()); ok {
			t.Error("a stopped loop answers")
		}
		seed.Join(n.manifest.Digest(), swarmapi.JoinOptions{}) // returns
	})
	var now int
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if now = runtime.NumGoroutine(); now <= before {
			return
		}
	}
	stacks := make([]byte, 1<<20)
	t.Fatalf("%d goroutines before, %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
}

func (n *nodes) members(at unit.Location) []unit.NodeID {
	n.t.Helper()
	g, err := n.store.Group(n.t.Context(), store.GroupKey{Digest: n.manifest.Digest(), Location: at})
	if err != nil {
		n.t.Fatal(err)
	}
	var names []unit.NodeID
	for _, m := range g.Members {
		names = append(names, m.Node)
	}
	return names
}

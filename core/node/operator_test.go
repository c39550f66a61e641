package node_test

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// taker is a machine that lacks everything of two transfers, each of which a peer
// has that answers when the test says so.
type taker struct {
	*testing.T
	m    *node.Machine
	now  unit.Time
	owed map[artifact.Digest][]swarm.Block
	// asked and cancelled are bytes.
	asked, cancelled map[artifact.Digest]int64
}

var one, two = artifact.Digest{1}, artifact.Digest{2}

func newTaker(t *testing.T) *taker {
	t.Helper()
	k := &taker{T: t, owed: map[artifact.Digest][]swarm.Block{}, asked: map[artifact.Digest]int64{}, cancelled: map[artifact.Digest]int64{}}
	k.m = node.New(0, node.Config{Self: "self", Location: "r", Download: unit.Unlimited, Upload: unit.Unlimited})
	for _, d := range []artifact.Digest{one, two} {
		k.step(node.Joined{Transfer: d})
		k.step(node.ContentReady{Transfer: d, Lengths: []int32{16 << 20, 16 << 20}, Have: artifact.NewBitset(2)})
		k.step(node.GroupChanged{Transfer: d, Group: overlay.Group{Location: "r", Members: []overlay.Member{
			{Node: "giver", Location: "r"}, {Node: "self", Location: "r"},
		}}})
		k.step(node.PeerConnected{Transfer: d, Peer: "giver"})
		k.step(node.MessageReceived{Transfer: d, Peer: "giver", Message: wire.SpanHave{Spans: []uint32{0, 1}}})
	}
	return k
}

func (k *taker) step(ev node.Event) {
	k.Helper()
	for _, a := range k.m.Flush(k.now, k.m.Step(k.now, ev, nil)) {
		s, ok := a.(node.Send)
		if !ok {
			if drop, is := a.(node.DropSpan); is && k.owed[drop.Transfer] == nil && k.asked[drop.Transfer] > k.cancelled[drop.Transfer] {
				k.Errorf("what came of span %d of transfer %d is dropped", drop.Span, drop.Transfer[0])
			}
			continue
		}
		switch r := s.Message.(type) {
		case wire.SpanRequest:
			k.asked[s.Transfer] += int64(r.Length)
			k.owed[s.Transfer] = append(k.owed[s.Transfer], swarm.Block{Span: int32(r.Span), Begin: int32(r.Begin), Length: int32(r.Length)})
		case wire.SpanCancel:
			k.cancelled[s.Transfer] += int64(r.Length)
			k.owed[s.Transfer] = nil
		}
	}
}

// run lets the peer answer everything at once for so long.
func (k *taker) run(long time.Duration) {
	k.Helper()
	for end := k.now.Add(long); k.now < end; {
		for _, d := range []artifact.Digest{one, two} {
			if len(k.owed[d]) > 0 {
				b := k.owed[d][0]
				k.owed[d] = k.owed[d][1:]
				k.step(node.BlockReceived{Transfer: d, Peer: "giver", Block: b, Kept: true})
			}
		}
		k.now = min(max(k.m.NextDeadline(k.now), k.now.Add(time.Millisecond)), k.now.Add(5*time.Millisecond), end)
		k.step(node.Wake{})
	}
}

// A transfer that is paused withdraws its requests and makes none, whatever time
// passes; the other goes on. Resumed, it asks at once for what is missing and for
// nothing again that came before.
func TestPause(t *testing.T) {
	k := newTaker(t)
	k.run(50 * time.Millisecond)
	came := k.asked[one]
	for _, b := range k.owed[one] {
		came -= int64(b.Length)
	}
	if came == 0 || len(k.owed[one]) == 0 {
		t.Fatalf("before the pause %d bytes came, %d requests are under way", came, len(k.owed[one]))
	}
	before, others := k.asked[one], k.asked[two]
	k.step(node.TransferLimited{Transfer: one})
	if k.cancelled[one] != before-came {
		t.Errorf("%d bytes were withdrawn of %d", k.cancelled[one], before-came)
	}
	k.run(5 * time.Second)
	if k.asked[one] != before {
		t.Errorf("%d bytes were requested during the pause", k.asked[one]-before)
	}
	if k.asked[two] == others {
		t.Error("the other transfer was paused, too")
	}
	k.step(limited(one, unit.Unlimited, unit.Unlimited))
	if k.asked[one] == before {
		t.Error("nothing was requested when the pause ended")
	}
	k.run(10 * time.Second)
	if got := k.asked[one] - k.cancelled[one]; got != 32<<20 {
		t.Errorf("%d bytes were requested and not withdrawn, want 32 MiB", got)
	}
}

// What a peer wants of a paused transfer is refused, with the time to ask again;
// also what was queued before.
func TestPauseOfASender(t *testing.T) {
	m, d := giver(t)
	want(m, d, "greedy", 0, 256<<10)
	refused := 0
	count := func(out []node.Action) {
		for _, a := range out {
			if _, sends := a.(node.SendBlock); sends {
				t.Errorf("a block is sent: %v", a)
			}
			if s, ok := a.(node.Send); ok {
				if r, ok := s.Message.(wire.SpanReject); ok && r.Reason == wire.ReasonPaused && r.RetryAfterMs > 0 {
					refused++
				}
			}
		}
	}
	count(m.Step(0, node.TransferLimited{Transfer: d}, nil))
	count(want(m, d, "modest", 0, 256<<10))
	count(m.Flush(unit.Time(time.Minute), nil))
	if refused != 2 {
		t.Errorf("%d requests refused, want both", refused)
	}
	m.Step(0, limited(d, unit.Unlimited, unit.Unlimited), nil)
	want(m, d, "modest", 0, 256<<10)
	if out := m.Flush(unit.Time(time.Minute), nil); len(out) != 1 {
		t.Errorf("after the pause: %v", out)
	}
}

// A peer that says that it is paused is asked for nothing until then.
func TestPauseOfAPeer(t *testing.T) {
	k := newTaker(t)
	k.run(20 * time.Millisecond)
	for _, b := range k.owed[one] {
		k.step(node.MessageReceived{Transfer: one, Peer: "giver", Message: wire.SpanReject{
			Span: uint32(b.Span), Begin: uint32(b.Begin), Length: uint32(b.Length), Reason: wire.ReasonPaused, RetryAfterMs: 500}})
	}
	k.owed[one] = nil
	before := k.asked[one]
	k.run(450 * time.Millisecond)
	if k.asked[one] != before {
		t.Errorf("%d bytes were asked of it", k.asked[one]-before)
	}
	k.run(time.Second)
	if k.asked[one] == before {
		t.Error("it was never asked again")
	}
}

// Limits hold from the moment on at which they are set, and the status says which
// one binds.
func TestLimitsChange(t *testing.T) {
	k := newTaker(t)
	k.step(limited(one, 1e6, unit.Unlimited))
	k.step(limited(two, 1e5, unit.Unlimited))
	k.run(2 * time.Second) // what was under way
	rates := func(wantOne, wantTwo int64, bound node.Bound) {
		t.Helper()
		a, b := k.asked[one], k.asked[two]
		const seconds, request = 10, 600 << 10 // the largest, and a bit
		k.run(seconds * time.Second)
		for i, c := range []struct{ got, want int64 }{{k.asked[one] - a, seconds * wantOne}, {k.asked[two] - b, seconds * wantTwo}} {
			if c.got < c.want-request || c.got > c.want+request {
				t.Errorf("transfer %d: %d bytes, want %d", i+1, c.got, c.want)
			}
		}
		if down, up := k.m.Bounds(k.now, one); down != bound || up != node.Unbound {
			t.Errorf("bounds %v and %v, want %v", down, up, bound)
		}
	}
	rates(1e6, 1e5, node.TransferBound)
	k.step(node.BudgetsChanged{Download: []bandwidth.Budget{limit(6e5)}})
	k.run(2 * time.Second)
	rates(5e5, 1e5, node.NodeBound)
}

// A transfer that has used up its own limit does not keep others from sending.
func TestUploadLimitOfOneTransfer(t *testing.T) {
	m := node.New(0, node.Config{Self: "self", Location: "r", Download: unit.Unlimited, Upload: unit.Unlimited})
	sent := map[artifact.Digest]int64{}
	for _, d := range []artifact.Digest{one, two} {
		m.Step(0, node.Joined{Transfer: d}, nil)
		m.Step(0, node.ContentReady{Transfer: d, Lengths: []int32{16 << 20}, Have: artifact.All(1)}, nil)
		m.Step(0, node.GroupChanged{Transfer: d, Group: overlay.Group{Location: "r", Members: []overlay.Member{
			{Node: "greedy", Location: "r"}, {Node: "self", Location: "r"},
		}}}, nil)
		m.Step(0, node.PeerConnected{Transfer: d, Peer: "greedy"}, nil)
	}
	m.Step(0, limited(one, unit.Unlimited, 1e5), nil)
	for i := range uint32(15) {
		for _, d := range []artifact.Digest{one, two} {
			want(m, d, "greedy", i*256<<10, 256<<10)
		}
	}
	for now := unit.Time(0); now < unit.Time(5*time.Second); now = now.Add(time.Millisecond) {
		for _, a := range m.Flush(now, nil) {
			if s, ok := a.(node.SendBlock); ok {
				sent[s.Transfer] += int64(s.Block.Length)
			}
		}
	}
	if sent[two] != 15*256<<10 || sent[one] > 5e5+256<<10 || sent[one] == 0 {
		t.Errorf("sent %v", sent)
	}
}

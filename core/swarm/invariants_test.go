package swarm

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// world drives a swarm with anything that peers, disks and time may do, and
// keeps what peers have been asked for.
type world struct {
	t     *rapid.T
	s     *Swarm
	now   unit.Time
	asked map[unit.NodeID][]Block
	late  map[unit.NodeID][]Block // cancelled, and may come all the same
	wants []FetchLeaves           // not answered
	disk  []writing               // under way
	calm  bool                    // the disk and what arrives are good from now on
}

// writing is a Store that was not answered: what came of the span is good, or not.
type writing struct {
	span int32
	good bool
}

const spans = 6

func newWorld(t *rapid.T) *world {
	lengths := make([]int32, spans)
	for i := range lengths {
		lengths[i] = int32(rapid.OneOf(rapid.IntRange(1, 20*Grain), rapid.IntRange(50*Grain, 60*Grain)).Draw(t, "length"))
	}
	rate := rapid.SampledFrom([]unit.Rate{unit.Unlimited, 1 << 20}).Draw(t, "rate")
	return &world{t: t, asked: map[unit.NodeID][]Block{}, late: map[unit.NodeID][]Block{}, s: New(Config{
		Self: "m", Location: "x/y", Lengths: lengths, Have: artifact.NewBitset(spans),
		Download: limited(rate),
		Strategy: Strategy{
			Division: rapid.Bool().Draw(t, "division"), Stealing: rapid.Bool().Draw(t, "stealing"), LowLatency: rapid.Bool().Draw(t, "low latency"),
			Picker: rapid.SampledFrom([]Picker{Stealing, Stealing, Random, Rarest, Sequential, Market}).Draw(t, "picker"),
		},
	})}
}

// crowd has peers join that have everything and send much of it, so that they
// share spans, some of which are wrong.
func (w *world) crowd() {
	for _, id := range []unit.NodeID{"a", "n", "z"} {
		w.s.PeerJoined(w.now, PeerInfo{Node: id, Location: "x/y"})
		w.take(w.s.PeerHas(w.now, id, artifact.All(spans), nil))
	}
	for range 60 {
		w.deliver(rapid.SampledFrom([]unit.NodeID{"a", "n", "z"}).Draw(w.t, "sender"))
		if rapid.Bool().Draw(w.t, "answer") {
			w.answer()
		}
		w.check()
	}
}

func (w *world) take(out []Action) {
	var later []func() []Action // what follows: after what was decided already
	defer func() {
		for _, answer := range later {
			w.take(answer())
		}
	}()
	for _, a := range out {
		switch a := a.(type) {
		case Request:
			w.checkRequest(a)
			w.asked[a.Peer] = append(w.asked[a.Peer], a.Block)
		case Cancel:
			w.late[a.Peer] = append(w.late[a.Peer], a.Block)
			w.asked[a.Peer] = slices.DeleteFunc(w.asked[a.Peer], func(b Block) bool { return b == a.Block })
		case Store:
			good := w.calm || rapid.IntRange(0, 2).Draw(w.t, "good") > 0
			if !w.calm && rapid.IntRange(0, 3).Draw(w.t, "slow disk") == 0 {
				w.disk = append(w.disk, writing{a.Span, good})
				continue
			}
			later = append(later, func() []Action { return w.s.Stored(w.now, a.Span, good, nil) })
		case Drop: // what is good is written all the same; of the rest nothing is heard
			w.disk = slices.DeleteFunc(w.disk, func(o writing) bool { return o.span == a.Span && !o.good })
		case Verify:
			good := w.calm || rapid.Bool().Draw(w.t, "verified")
			later = append(later, func() []Action { return w.s.Verified(w.now, a.Span, good, nil) })
		case FetchLeaves:
			w.checkInquiry(a)
			w.wants = append(w.wants, a)
		case DropBlock:
			i, j, whole := w.s.extent(a.Block)
			if b := w.s.actives.of[a.Block.Span]; !whole || b != nil && slices.ContainsFunc(b.grains[i:j], grain.here) {
				w.t.Fatalf("%+v drops what is here", a)
			}
		case Hangup:
			later = append(later, func() []Action { return w.left(a.Peer) })
		}
	}
}

// written has the disk be done with a span.
func (w *world) written() {
	if len(w.disk) > 0 {
		o := w.disk[0]
		w.disk = w.disk[1:]
		w.take(w.s.Stored(w.now, o.span, o.good, nil))
	}
}

// left ends the connection to a peer.
func (w *world) left(peer unit.NodeID) []Action {
	delete(w.asked, peer)
	return w.s.PeerLeft(w.now, peer, nil)
}

func (w *world) checkInquiry(f FetchLeaves) {
	p, a := w.s.peers[f.Peer], w.s.actives.of[f.Span]
	if p == nil || !p.have.Has(int(f.Span)) || a == nil || a.received != len(a.grains) || a.inquiry.from != p.seat {
		w.t.Fatalf("%+v makes no sense", f)
	}
}

// answer gives leaves, forged ones or none.
func (w *world) answer() {
	if len(w.wants) == 0 {
		return
	}
	f := w.wants[0]
	w.wants = w.wants[1:]
	length := int(w.s.cfg.Lengths[f.Span])
	var wrong []Block
	for at := 0; at < length; {
		end := rapid.IntRange(at+1, min(length, at+Grain)).Draw(w.t, "leaf")
		if rapid.Bool().Draw(w.t, "wrong") {
			wrong = append(wrong, Block{f.Span, int32(at), int32(end - at)})
		}
		at = end
	}
	result := rapid.SampledFrom([]LeavesResult{LeavesProven, LeavesProven, LeavesRefused, LeavesForged}).Draw(w.t, "leaves")
	w.take(w.s.Leaves(w.now, f.Peer, f.Span, result, wrong, nil))
}

func (w *world) checkRequest(r Request) {
	p, b := w.s.peers[r.Peer], r.Block
	if p == nil || !p.have.Has(int(b.Span)) || w.s.have.Has(int(b.Span)) || !w.s.valid(b) {
		w.t.Fatalf("request %+v makes no sense", r)
	}
	if _, _, whole := w.s.extent(b); !whole || int(b.Length) > p.pace.largest {
		w.t.Fatalf("request %+v is not of whole grains, or above %d", r, p.pace.largest)
	}
	// Whatever is asked of anybody is asked once.
	for id, asked := range w.asked {
		for _, o := range asked {
			if o.Span == b.Span && o.Begin < b.Begin+b.Length && b.Begin < o.Begin+o.Length {
				w.t.Fatalf("%s is asked for %+v, %s for %+v", r.Peer, b, id, o)
			}
		}
	}
}

func (w *world) step() {
	peer := rapid.SampledFrom([]unit.NodeID{"a", "n", "z"}).Draw(w.t, "peer")
	list := rapid.SliceOfNDistinct(rapid.Uint32Range(0, spans-1), 0, spans, rapid.ID).Draw(w.t, "spans")
	known := w.s.peers[peer] != nil
	switch rapid.IntRange(0, 19).Draw(w.t, "event") {
	case 0:
		if !known {
			at := rapid.SampledFrom([]unit.Location{"x/y", "x/z", "q"}).Draw(w.t, "at")
			w.s.PeerJoined(w.now, PeerInfo{Node: peer, Location: at, Initial: rapid.Bool().Draw(w.t, "initial"),
				MaxRequest: rapid.SampledFrom([]int32{0, Grain, 3 * Grain, MaxRequest}).Draw(w.t, "max request")})
		}
	case 1:
		w.take(w.left(peer))
	case 2:
		if known {
			w.take(w.s.PeerHas(w.now, peer, artifact.All(spans), nil))
		}
	case 3:
		w.take(w.s.PeerGot(w.now, peer, list, nil))
	case 4:
		w.take(w.s.PeerLost(w.now, peer, list, nil))
	case 5:
		w.take(w.s.PeerStarted(w.now, peer, list, nil))
	case 6:
		w.take(w.s.PeerStopped(w.now, peer, list, nil))
	case 7, 8:
		w.deliver(peer)
	case 9:
		w.refuse(peer)
	case 10:
		w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(15*time.Second)).Draw(w.t, "wait")))
		w.take(w.s.Tick(w.now, nil))
	case 11:
		highest := rapid.SampledFrom([]unit.Location{"x/y", "x", ""}).Draw(w.t, "highest")
		w.take(w.s.Moved(w.now, highest, []PeerInfo{{Node: peer, Location: "x/y"}}, nil, nil))
	case 14:
		if late := w.late[peer]; len(late) > 0 {
			w.late[peer] = late[1:]
			w.asked[peer] = slices.DeleteFunc(w.asked[peer], func(b Block) bool { return b == late[0] })
			w.take(w.s.Received(w.now, peer, late[0], true, nil))
		}
	case 15, 16, 17:
		w.answer()
	case 18, 19:
		w.written()
	case 12:
		w.take(w.s.PeerSuspects(w.now, peer, list, nil))
	case 13:
		have := w.s.Have()
		if len(list) > 0 {
			have.Clear(int(list[0]))
		}
		if len(list) > 1 {
			have.Set(int(list[1]))
		}
		w.take(w.s.Replace(w.now, have, nil))
	}
	w.take(w.s.Flush(w.now, nil))
}

func (w *world) deliver(peer unit.NodeID) {
	for len(w.asked[peer]) > 0 && rapid.IntRange(0, 3).Draw(w.t, "more") > 0 {
		b := w.asked[peer][0]
		w.asked[peer] = w.asked[peer][1:]
		w.take(w.s.Received(w.now, peer, b, rapid.IntRange(0, 9).Draw(w.t, "kept") > 0, nil))
	}
}

func (w *world) refuse(peer unit.NodeID) {
	if len(w.asked[peer]) > 0 {
		b := w.asked[peer][0]
		w.asked[peer] = w.asked[peer][1:]
		w.take(w.s.Refused(w.now, peer, b, time.Second, nil))
	}
}

// check compares what the swarm adds up with what it is the sum of.
func (w *world) check() {
	s, inFlight := w.s, 0
	for id, p := range s.peers {
		owed := 0
		for _, d := range p.debts {
			owed += int(d.block.Length)
			w.checkDebt(p, d.block)
		}
		if owed != p.owed || len(p.debts) != len(w.asked[id]) || p.haveCount != p.have.Count() {
			w.t.Fatalf("%s owes %d in %d blocks, booked %d, asked %d", id, owed, len(p.debts), p.owed, len(w.asked[id]))
		}
		inFlight += owed
	}
	if inFlight != s.actives.inFlight || s.left != spans-s.have.Count() || len(s.actives.of) != len(s.actives.list) {
		w.t.Fatalf("in flight %d booked %d; left %d; active %d, listed %d", inFlight, s.actives.inFlight, s.left, len(s.actives.of), len(s.actives.list))
	}
	if s.checks.underway > min(maxChecks, len(s.checks.list)) || len(s.checks.list) > maxWaiting {
		w.t.Fatalf("%d of %d checks are under way", s.checks.underway, len(s.checks.list))
	}
	inquiries, inquired := 0, 0
	for x, a := range s.actives.of {
		if a.inquiry.from != 0 {
			inquiries, inquired = inquiries+1, inquired+int(s.cfg.Lengths[x])
			if a.received < len(a.grains) || s.known[a.inquiry.from].peer == nil || len(a.inquiry.asked) > maxAsked {
				w.t.Fatalf("inquiry about span %d: %+v", x, a)
			}
		}
	}
	if inquiries > maxInquiries || inquiries > 1 && inquired > maxInquired {
		w.t.Fatalf("%d spans of %d bytes wait for leaves", inquiries, inquired)
	}
	storing := 0
	for x, a := range s.actives.of {
		w.checkActive(x, a)
		if a.received == len(a.grains) {
			storing += int(s.cfg.Lengths[x])
		}
	}
	if storing != s.actives.storing {
		w.t.Fatalf("%d bytes are being stored, booked %d", storing, s.actives.storing)
	}
	standing := map[*promises]int{}
	for _, list := range s.starts.lists {
		for _, st := range list {
			standing[&st.peer.promises]++
		}
	}
	for _, k := range s.known {
		if n := standing[&k.promises]; k.promises.standing != n || len(k.promises.broken) > maxBroken {
			w.t.Fatalf("%d STARTs stand, booked %d; %d are broken", n, k.promises.standing, len(k.promises.broken))
		}
	}
	for x := range spans {
		if s.actives.spans.Has(x) != (s.actives.of[int32(x)] != nil) || s.starts.spans.Has(x) != (len(s.starts.lists[int32(x)]) > 0) {
			w.t.Fatalf("the sets of spans in transfer and STARTed are not right at %d", x)
		}
	}
}

// checkDebt: what a peer owes waits for it, and for nobody else.
func (w *world) checkDebt(p *peer, b Block) {
	a := w.s.actives.of[b.Span]
	i, j, _ := w.s.extent(b)
	if a == nil || slices.ContainsFunc(a.grains[i:j], func(g grain) bool { return g != grain(p.seat) }) {
		w.t.Fatalf("%s owes %+v, which does not wait for it", p.Node, b)
	}
	n := 0
	for _, d := range p.debts {
		if o := d.block; o.Span == b.Span && o.Begin < b.Begin+b.Length && b.Begin < o.Begin+o.Length {
			n++
		}
	}
	if n != 1 {
		w.t.Fatalf("%s owes %+v %d times", p.Node, b, n)
	}
}

func (w *world) checkActive(x int32, a *active) {
	free, received := 0, 0
	for i, g := range a.grains {
		node := unit.NodeID("")
		for id, at := range w.s.seats {
			if at == g.from() {
				node = id
			}
		}
		switch {
		case g.here():
			received++
		case g == 0:
			free++
			if i < a.next {
				w.t.Fatalf("grain %d of span %d is free, though none before %d should be", i, x, a.next)
			}
		case !w.owes(node, x, i):
			w.t.Fatalf("grain %d of span %d waits for %s, who does not owe it", i, x, node)
		}
	}
	if free != a.free || received != a.received || w.s.have.Has(int(x)) || len(a.grains) != w.s.grains(x) {
		w.t.Fatalf("span %d: free %d booked %d, received %d booked %d", x, free, a.free, received, a.received)
	}
}

func (w *world) owes(node unit.NodeID, x int32, grain int) bool {
	return slices.ContainsFunc(w.asked[node], func(b Block) bool {
		i, j, _ := w.s.extent(b)
		return b.Span == x && i <= grain && grain < j
	})
}

// Whatever happens, the books balance; and once a faithful peer with everything
// is there and time passes, the swarm completes.
func TestBooksBalanceAndItCompletes(t *testing.T) { rapid.Check(t, booksBalance) }

// FuzzEvents is the same with events that the fuzzer finds.
func FuzzEvents(f *testing.F) { f.Fuzz(rapid.MakeFuzz(booksBalance)) }

func booksBalance(t *rapid.T) {
	w := newWorld(t)
	if rapid.Bool().Draw(t, "crowd") {
		w.crowd()
	}
	for range rapid.IntRange(1, 80).Draw(t, "steps") {
		w.step()
		w.check()
	}
	w.calm = true
	at := rapid.SampledFrom([]unit.Location{"x/y", "q"}).Draw(t, "faithful at")
	w.s.PeerJoined(w.now, PeerInfo{Node: "faithful", Location: at})
	w.take(w.s.PeerHas(w.now, "faithful", artifact.All(spans), nil))
	for range 2000 {
		if w.s.Complete() {
			return
		}
		w.now = w.now.Add(200 * time.Millisecond)
		w.written()
		for len(w.asked["faithful"]) > 0 {
			b := w.asked["faithful"][0]
			w.asked["faithful"] = w.asked["faithful"][1:]
			w.take(w.s.Received(w.now, "faithful", b, true, nil))
		}
		w.take(w.s.Tick(w.now, nil))
		w.check()
	}
	t.Fatalf("not complete: %d spans left, active %v", w.s.left, w.s.actives.list)
}

package node_test

import (
	"cmp"
	"container/heap"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// fleet runs machines in virtual time: messages take a fixed latency, every
// host's upload and every location's uplink is a queue served at its rate, the store
// is a map. It is what a scenario's story is told with.
type fleet struct {
	now     unit.Time
	queue   events
	seq     int
	hosts   map[unit.NodeID]*host
	order   []unit.NodeID
	digest  artifact.Digest
	lengths []int32
	groups  map[unit.Location]*group
	rand    *unit.Rand
	down    bool // the store
	// strategy of all hosts.
	strategy node.Strategy
	uplinks  map[unit.Location]*uplink
	// crossed counts payload that entered a location, duplicates included.
	crossed map[unit.Location]int64
	// control counts control messages, if it is not nil.
	control tally
	// most representatives that any location ever had at once
	maxSlots map[unit.Location]int
}

type group struct {
	version int64
	members map[unit.NodeID]lease
	slots   []slot
}

// uplink connects a location to its parent, one block after the other each way.
type uplink struct {
	rate             unit.Rate
	upFree, downFree unit.Time
}

// passes returns when n bytes that enter a direction at a time, which is free from
// then on, have passed.
func (u *uplink) passes(at unit.Time, free *unit.Time, n unit.Bytes) unit.Time {
	*free = max(at, *free).Add(n.Over(u.rate))
	return *free
}

type lease struct {
	member overlay.Member
	until  unit.Time
}

type slot struct {
	holder unit.NodeID
	until  unit.Time
}

type host struct {
	id        unit.NodeID
	location  unit.Location
	initial   bool
	full      bool      // has everything from the start
	up        unit.Rate // of its link
	download  unit.Rate // its limits; 0 is none
	upload    unit.Rate
	corrupt   bool            // sends wrong bytes, and says that they are right
	changed   artifact.Bitset // spans that were changed on its disk in place
	machine   *node.Machine
	alive     bool
	born      int // counts restarts: what was sent to an earlier life is lost
	conns     map[unit.NodeID]bool
	watched   map[unit.Location]bool
	buffers   map[int32][]grain // of the spans being received
	disk      artifact.Bitset
	sending   []node.SendBlock
	busyUntil unit.Time
	sent      int64
	doneAt    unit.Time
	banned    map[unit.NodeID]bool // not let in
	muted     map[unit.NodeID]bool // were muted, see node.Hangup
	wakeAt    unit.Time
	fetched   []int // times each span was stored
	verified  int   // spans that it read again
	// suspects it of wrong bytes, or has told it so
	suspectedBy map[unit.NodeID]bool
	refuses     bool // gives no leaves
}

// grain is what has arrived of a span, swarm.Grain bytes at a time.
type grain uint8

const (
	missing grain = iota
	right
	wrong
)

type event struct {
	at  unit.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

const latency = 200 * time.Microsecond

func newFleet(seed uint64, lengths []int32) *fleet {
	return &fleet{
		hosts: map[unit.NodeID]*host{}, groups: map[unit.Location]*group{},
		lengths: lengths, rand: unit.NewRand(seed), digest: artifact.Digest{1},
		crossed: map[unit.Location]int64{}, maxSlots: map[unit.Location]int{},
		strategy: node.DefaultStrategy(), uplinks: map[unit.Location]*uplink{},
	}
}

func (f *fleet) after(d time.Duration, do func()) {
	f.seq++
	heap.Push(&f.queue, event{f.now.Add(d), f.seq, do})
}

func (f *fleet) add(h *host) {
	h.disk = artifact.NewBitset(len(f.lengths))
	if h.initial || h.full {
		h.disk = artifact.All(len(f.lengths))
	}
	h.changed = artifact.NewBitset(len(f.lengths))
	h.fetched = make([]int, len(f.lengths))
	h.banned, h.muted, h.suspectedBy = map[unit.NodeID]bool{}, map[unit.NodeID]bool{}, map[unit.NodeID]bool{}
	h.doneAt = unit.Never
	f.hosts[h.id] = h
	f.order = append(f.order, h.id)
	slices.Sort(f.order)
}

// start brings a host up with what is on its disk.
func (f *fleet) start(h *host) {
	h.alive, h.born = true, h.born+1
	h.conns, h.watched = map[unit.NodeID]bool{}, map[unit.Location]bool{}
	h.buffers, h.sending = map[int32][]grain{}, nil
	h.busyUntil = f.now
	h.machine = node.New(f.now, node.Config{
		Self: h.id, Addr: string(h.id), Location: h.location, Seed: f.rand.Uint64(),
		Download: cmp.Or(h.download, unit.Unlimited), Upload: cmp.Or(h.upload, unit.Unlimited),
		Strategy: f.strategy,
	})
	f.step(h, node.Joined{Transfer: f.digest, Initial: h.initial})
	if h.initial || h.disk.Count() > 0 {
		f.step(h, node.ContentReady{Transfer: f.digest, Lengths: f.lengths, Have: h.disk})
	}
}

func (f *fleet) kill(h *host) {
	h.alive = false
	for _, id := range f.order {
		f.disconnect(h, f.hosts[id])
	}
}

// disconnect ends a connection; both sides notice after the latency.
func (f *fleet) disconnect(a, b *host) {
	if !a.conns[b.id] {
		return
	}
	delete(a.conns, b.id)
	delete(b.conns, a.id)
	f.notify(a, node.PeerDisconnected{Transfer: f.digest, Peer: b.id})
	f.notify(b, node.PeerDisconnected{Transfer: f.digest, Peer: a.id})
}

// notify steps a host after the latency, unless it died meanwhile.
func (f *fleet) notify(h *host, ev node.Event) {
	born := h.born
	f.after(latency, func() {
		if h.alive && h.born == born {
			f.step(h, ev)
		}
	})
}

func (f *fleet) step(h *host, ev node.Event) {
	actions := h.machine.Step(f.now, ev, nil)
	actions = h.machine.Flush(f.now, actions)
	for _, a := range actions {
		f.perform(h, a)
	}
	f.arm(h)
}

func (f *fleet) arm(h *host) {
	at := h.machine.NextDeadline(f.now)
	if at == unit.Never {
		return
	}
	at = max(at, f.now)
	if h.wakeAt > f.now && h.wakeAt <= at {
		return
	}
	h.wakeAt = at
	born := h.born
	f.after(at.Sub(f.now), func() {
		if h.alive && h.born == born && h.wakeAt == f.now {
			h.wakeAt = 0
			f.step(h, node.Wake{})
		}
	})
}

func (f *fleet) perform(h *host, a node.Action) {
	switch a := a.(type) {
	case node.JoinGroup:
		f.joinGroup(h, a)
	case node.LeaveGroup:
		delete(h.watched, a.Location)
		delete(f.group(a.Location).members, h.id)
		for i := range f.group(a.Location).slots {
			if s := &f.group(a.Location).slots[i]; s.holder == h.id {
				*s = slot{}
			}
		}
		f.publish(a.Location)
	case node.ClaimSlot:
		f.claim(h, a)
	case node.Dial:
		f.dial(h, f.hosts[a.Peer])
	case node.Hangup:
		if a.Ban {
			h.banned[a.Peer] = true
		}
		if a.Mute {
			h.muted[a.Peer] = true
		}
		f.disconnect(h, f.hosts[a.Peer])
	case node.Send:
		if r, ok := a.Message.(wire.SpanRequest); ok && h.buffers[int32(r.Span)] == nil {
			h.buffers[int32(r.Span)] = make([]grain, (f.lengths[r.Span]+swarm.Grain-1)/swarm.Grain)
		}
		f.send(h, f.hosts[a.Peer], a.Message)
	case node.SendBlock:
		h.sending = append(h.sending, a)
		f.serve(h)
	case node.CancelBlock:
		h.sending = slices.DeleteFunc(h.sending, func(s node.SendBlock) bool { return s.Peer == a.Peer && s.Block == a.Block })
	case node.SendManifest:
		f.send(h, f.hosts[a.Peer], wire.ManifestData{Total: 1, Data: []byte{7}})
	case node.ManifestFetched:
		f.notify(h, node.ManifestVerified{Transfer: f.digest})
		f.notify(h, node.ContentReady{Transfer: f.digest, Lengths: f.lengths, Have: h.disk})
	case node.StoreSpan:
		f.store(h, a.Span)
	case node.VerifySpan:
		good := h.corrupt || !h.changed.Has(int(a.Span))
		if !good {
			h.disk.Clear(int(a.Span))
		}
		h.verified++
		f.notify(h, node.SpanVerified{Transfer: f.digest, Span: a.Span, Good: good})
	case node.DropSpan:
		delete(h.buffers, a.Span)
	case node.DropBlock:
		clear(h.grains(a.Block))
	case node.FetchLeaves:
		f.fetchLeaves(h, f.hosts[a.Peer], a.Span)
	case node.SendLeaves:
		f.sendLeaves(h, f.hosts[a.Peer], a.Place.Span)
	case node.Completed:
		h.doneAt = f.now
	}
}

func (f *fleet) group(l unit.Location) *group {
	if f.groups[l] == nil {
		f.groups[l] = &group{members: map[unit.NodeID]lease{}}
	}
	return f.groups[l]
}

func (f *fleet) joinGroup(h *host, a node.JoinGroup) {
	if f.down {
		return
	}
	h.watched[a.Location] = true
	g := f.group(a.Location)
	old := g.members[h.id]
	g.members[h.id] = lease{a.Member, f.now.Add(overlay.MemberTTL)}
	if !reflect.DeepEqual(old.member, a.Member) {
		f.publish(a.Location)
	}
}

func (f *fleet) claim(h *host, a node.ClaimSlot) {
	if f.down {
		return
	}
	g := f.group(a.Location)
	for len(g.slots) < a.Slots {
		g.slots = append(g.slots, slot{})
	}
	got := -1
	for i := range g.slots[:a.Slots] {
		if s := g.slots[i]; s.holder == h.id || got < 0 && (s.holder == "" || s.until <= f.now) {
			got = i
			if s.holder == h.id {
				break
			}
		}
	}
	if got >= 0 {
		fresh := g.slots[got].holder != h.id
		g.slots[got] = slot{h.id, f.now.Add(overlay.SlotLease)}
		if fresh {
			f.publish(a.Location)
		}
	}
	f.notify(h, node.SlotAnswered{Transfer: f.digest, Location: a.Location, Slot: got, Held: got >= 0})
}

// publish sends a group's snapshot to who watches it.
func (f *fleet) publish(l unit.Location) {
	g := f.group(l)
	g.version++
	snap := overlay.Group{Location: l, Version: g.version}
	for _, id := range f.order {
		if m, ok := g.members[id]; ok && m.until > f.now {
			snap.Members = append(snap.Members, m.member)
		}
	}
	held := 0
	for _, s := range g.slots {
		if s.until <= f.now {
			s.holder = ""
		} else if s.holder != "" {
			held++
		}
		snap.Slots = append(snap.Slots, s.holder)
	}
	f.maxSlots[l] = max(f.maxSlots[l], held)
	for _, id := range f.order {
		if h := f.hosts[id]; h.alive && h.watched[l] {
			f.notify(h, node.GroupChanged{Transfer: f.digest, Group: snap})
		}
	}
}

// sweep publishes every group anew, as the store's watchers do every few
// seconds, so that expired leases are noticed.
func (f *fleet) sweep() {
	if !f.down {
		for _, l := range f.locations() {
			f.publish(l)
		}
	}
	f.after(time.Second, f.sweep)
}

func (f *fleet) locations() []unit.Location {
	var ls []unit.Location
	for l := range f.groups {
		ls = append(ls, l)
	}
	slices.Sort(ls)
	return ls
}

func (f *fleet) dial(h, peer *host) {
	refused := !peer.alive || h.banned[peer.id] || peer.banned[h.id] || !peer.machine.Admits(f.digest, h.id)
	if refused {
		f.notify(h, node.PeerDisconnected{Transfer: f.digest, Peer: peer.id})
		return
	}
	h.conns[peer.id], peer.conns[h.id] = true, true
	f.notify(h, node.PeerConnected{Transfer: f.digest, Peer: peer.id})
	f.notify(peer, node.PeerConnected{Transfer: f.digest, Peer: h.id})
}

func (f *fleet) send(h, peer *host, msg wire.Message) {
	if h.conns[peer.id] {
		if f.control != nil {
			f.control.add(msg)
		}
		switch msg := msg.(type) {
		case wire.SpanSuspect:
			peer.suspectedBy[h.id] = true
		case wire.HashReject:
			f.notify(peer, node.LeavesReceived{Transfer: f.digest, Peer: h.id, Span: int32(msg.Index), Result: swarm.LeavesRefused})
			return
		}
		f.notify(peer, node.MessageReceived{Transfer: f.digest, Peer: h.id, Message: msg})
	}
}

// serve sends the next block when the host's link is free.
func (f *fleet) serve(h *host) {
	if f.now < h.busyUntil || len(h.sending) == 0 {
		return
	}
	b := h.sending[0]
	h.sending = h.sending[1:]
	took := unit.Bytes(b.Block.Length).Over(h.up)
	h.busyUntil = f.now.Add(took)
	born := h.born
	f.after(took, func() {
		if h.alive && h.born == born {
			f.deliver(h, b)
			f.serve(h)
		}
	})
}

func (f *fleet) deliver(h *host, b node.SendBlock) {
	peer := f.hosts[b.Peer]
	if !h.conns[peer.id] {
		return
	}
	h.sent += int64(b.Block.Length)
	for l := peer.location; l != unit.Root; l = l.Parent() {
		if !l.Contains(h.location) {
			f.crossed[l] += int64(b.Block.Length)
		}
	}
	born := peer.born
	f.after(f.crosses(h.location, peer.location, unit.Bytes(b.Block.Length)).Sub(f.now)+latency, func() {
		if peer.alive && peer.born == born {
			f.arrive(peer, h, b.Block)
		}
	})
}

// crosses returns when n bytes that leave a host now have passed the uplinks on
// their way: up to what contains both ends, and down from there.
func (f *fleet) crosses(from, to unit.Location, n unit.Bytes) unit.Time {
	at, common := f.now, from.Common(to)
	for l := from; l != common; l = l.Parent() {
		if u := f.uplinks[l]; u != nil {
			at = u.passes(at, &u.upFree, n)
		}
	}
	down := slices.DeleteFunc(to.Path(), func(l unit.Location) bool { return l.Contains(common) })
	for _, l := range slices.Backward(down) {
		if u := f.uplinks[l]; u != nil {
			at = u.passes(at, &u.downFree, n)
		}
	}
	return at
}

func (f *fleet) arrive(h, from *host, b swarm.Block) {
	into := h.grains(b)
	kept := into != nil && !slices.ContainsFunc(into, func(g grain) bool { return g != missing })
	if kept {
		for i := range into {
			into[i] = right
			if from.corrupt || from.changed.Has(int(b.Span)) {
				into[i] = wrong
			}
		}
	}
	f.step(h, node.BlockReceived{Transfer: f.digest, Peer: from.id, Block: b, Kept: kept})
}

// grains are what is there of a block; nil if the span is not being received.
func (h *host) grains(b swarm.Block) []grain {
	buf := h.buffers[b.Span]
	if buf == nil {
		return nil
	}
	return buf[b.Begin/swarm.Grain : (b.Begin+b.Length+swarm.Grain-1)/swarm.Grain]
}

// fetchLeaves asks a peer for the leaves of a span, which is one piece.
func (f *fleet) fetchLeaves(h, peer *host, span int32) {
	if h.conns[peer.id] {
		f.notify(peer, node.LeavesWanted{Transfer: f.digest, Peer: h.id,
			Request: wire.HashRequest{HashRange: wire.HashRange{Index: uint32(span)}},
			Places:  []swarm.LeafPlace{{Piece: span, Span: span}}, Length: f.lengths[span]})
	}
}

// sendLeaves has a peer learn what is wrong. Who sends wrong bytes forges leaves.
func (f *fleet) sendLeaves(h, peer *host, span int32) {
	ev := node.LeavesReceived{Transfer: f.digest, Peer: h.id, Span: span, Result: swarm.LeavesProven}
	switch {
	case h.refuses:
		ev.Result = swarm.LeavesRefused
	case h.corrupt:
		ev.Result = swarm.LeavesForged
	case h.changed.Has(int(span)):
		ev.Result = swarm.LeavesRefused
		f.notify(h, node.SpanDoubted{Transfer: f.digest, Span: span})
	default:
		for i, g := range peer.buffers[span] {
			if begin := int32(i) * swarm.Grain; g == wrong {
				ev.Wrong = append(ev.Wrong, swarm.Block{Span: span, Begin: begin, Length: min(swarm.Grain, f.lengths[span]-begin)})
			}
		}
	}
	f.notify(peer, ev)
}

func (f *fleet) store(h *host, span int32) {
	result := node.Stored
	if slices.Contains(h.buffers[span], wrong) {
		result = node.Corrupt
	}
	if result == node.Stored {
		h.disk.Set(int(span))
		h.fetched[span]++
		delete(h.buffers, span)
	}
	f.notify(h, node.SpanStored{Transfer: f.digest, Span: span, Result: result})
}

// run passes virtual time until the time or until nothing is left to happen.
func (f *fleet) run(until unit.Time) {
	for len(f.queue) > 0 && f.queue[0].at <= until {
		ev := heap.Pop(&f.queue).(event)
		f.now = ev.at
		ev.do()
	}
	f.now = until
}

// play starts everybody who is there from the beginning and runs.
func (f *fleet) play(until unit.Time) {
	f.sweep()
	for _, id := range f.order {
		if h := f.hosts[id]; h.born == 0 {
			f.start(h)
		}
	}
	f.run(until)
}

// complete reports whether every host has everything.
func (f *fleet) complete() bool {
	return !slices.ContainsFunc(f.order, func(id unit.NodeID) bool { return !f.hosts[id].disk.Full() })
}

func (f *fleet) size() int64 {
	var n int64
	for _, l := range f.lengths {
		n += int64(l)
	}
	return n
}

func (f *fleet) describe() string {
	s := ""
	for _, id := range f.order {
		h := f.hosts[id]
		st, _ := h.machine.Status(f.digest)
		s += fmt.Sprintf("%s at %s: %d/%d spans, %s, %d peers, done %v\n", id, h.location, h.disk.Count(), len(f.lengths), st.Role, st.Peers, h.doneAt != unit.Never)
	}
	return s
}

func contentChanged(d artifact.Digest, have artifact.Bitset) node.Event {
	return node.ContentChanged{Transfer: d, Have: have}
}

func (f *fleet) storeDown() {
	f.down = true
	for _, id := range f.order {
		if h := f.hosts[id]; h.alive {
			f.step(h, node.StoreDown{})
		}
	}
}

// storeUp brings the store back empty.
func (f *fleet) storeUp() {
	f.down = false
	f.groups = map[unit.Location]*group{}
	for _, id := range f.order {
		if h := f.hosts[id]; h.alive {
			f.step(h, node.StoreUp{})
		}
	}
}

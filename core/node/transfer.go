package node

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// transfer is one artifact's transfer on this node.
type transfer struct {
	m        *Machine
	digest   artifact.Digest
	initial  bool
	overlay  *overlay.Overlay
	swarm    *swarm.Swarm // nil until the manifest is known
	manifest *manifestFetch
	known    bool // the manifest is known and can be served
	peers    map[unit.NodeID]*early
	down, up *lane
	gates    []*gate // of up
	counted  *moved  // in Machine.moved
}

// early is what is known of a connected peer beside the swarm: what it announced
// before the manifest was known, when it cannot be checked yet.
type early struct {
	uplinks    int    // between it and us
	bits       []byte // of the spans that it has
	foreign    bool   // it speaks plain BitTorrent, and no group names it
	maxRequest int32
}

func newTransfer(now unit.Time, m *Machine, ev Joined) *transfer {
	t := &transfer{
		m: m, digest: ev.Transfer, initial: ev.Initial,
		manifest: newManifestFetch(ev.ManifestSize),
		peers:    map[unit.NodeID]*early{},
		down:     m.down.newLane(now), up: m.up.newLane(now),
	}
	t.counted = newMoved(len(t.down.held))
	self := m.member(ev.Initial)
	self.Limit = t.passes()
	if ev.Initial {
		self.Permille, self.Complete = 1000, true
	}
	t.overlay = overlay.New(overlay.Config{Self: self, Rand: m.rand})
	return t
}

func (t *transfer) enter(now unit.Time, out []Action) []Action {
	return t.overlayActions(t.overlay.Start(now, nil), out)
}

func (t *transfer) exit(out []Action) []Action {
	return t.overlayActions(t.overlay.Stop(nil), out)
}

// overlayActions passes on what the overlay decided.
func (t *transfer) overlayActions(actions []overlay.Action, out []Action) []Action {
	for _, a := range actions {
		switch a := a.(type) {
		case overlay.Join:
			out = append(out, JoinGroup{t.digest, a.Location, a.Member})
		case overlay.Leave:
			out = append(out, LeaveGroup{t.digest, a.Location})
		case overlay.Claim:
			out = append(out, ClaimSlot{t.digest, a.Location, a.Slots})
		case overlay.Connect:
			out = append(out, Dial{t.digest, a.Peer.Node, a.Peer.Addr})
		case overlay.Disconnect:
			out = append(out, Hangup{Transfer: t.digest, Peer: a.Peer, Reason: "no group names it any more"})
		}
	}
	return out
}

func (t *transfer) groupChanged(now unit.Time, g overlay.Group, out []Action) []Action {
	return t.moved(now, t.overlay.GroupChanged(now, g, nil), out)
}

func (t *transfer) slotAnswered(now unit.Time, ev SlotAnswered, out []Action) []Action {
	return t.moved(now, t.overlay.Claimed(now, ev.Location, ev.Slot, ev.Held, nil), out)
}

// moved performs what the overlay decided and tells the swarm its new place.
func (t *transfer) moved(now unit.Time, actions []overlay.Action, out []Action) []Action {
	return t.place(now, t.decided(now, actions, out))
}

// decided performs what the overlay decided.
func (t *transfer) decided(now unit.Time, actions []overlay.Action, out []Action) []Action {
	for _, a := range actions {
		if d, ok := a.(overlay.Disconnect); ok {
			out = t.drop(now, d.Peer, out)
		}
	}
	return t.overlayActions(actions, out)
}

func (t *transfer) place(now unit.Time, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	v := t.overlay.View()
	members := make([]swarm.PeerInfo, len(v.Members))
	for i, m := range v.Members {
		members[i] = peerInfo(m)
	}
	all := make([]swarm.PeerInfo, len(v.Peers))
	for i, p := range v.Peers {
		all[i] = peerInfo(p.Member)
		all[i].Top = p.Top
	}
	t.swarm.LocationsShort(v.Short)
	return t.swarmActions(now, t.swarm.Moved(now, v.Highest, members, all, nil), out)
}

func peerInfo(m overlay.Member) swarm.PeerInfo {
	return swarm.PeerInfo{Node: m.Node, Location: m.Location, Initial: m.Initial, Starving: m.Starving, Top: m.Location.Depth()}
}

// contentReady starts the swarm and takes over what peers announced before.
func (t *transfer) contentReady(now unit.Time, ev ContentReady, out []Action) []Action {
	if t.swarm != nil {
		return t.contentChanged(now, ContentChanged{Transfer: ev.Transfer, Have: ev.Have}, out)
	}
	t.manifest, t.known = nil, true
	t.swarm = swarm.New(swarm.Config{
		Self: t.m.cfg.Self, Location: t.m.cfg.Location, Initial: t.initial,
		Lengths: ev.Lengths, Have: ev.Have, Download: t.down,
		Strategy: t.m.cfg.Strategy.swarm(),
	})
	for _, peer := range sortedKeys(t.peers) {
		out = t.meet(now, peer, out)
	}
	out = t.place(now, out)
	if t.swarm.Complete() {
		out = append(out, Completed{t.digest})
	}
	return out
}

func (t *transfer) contentChanged(now unit.Time, ev ContentChanged, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	out = t.swarmActions(now, t.swarm.Replace(now, ev.Have, nil), out)
	if t.swarm.Complete() {
		out = append(out, Completed{t.digest})
	}
	return out
}

func (t *transfer) blockReceived(now unit.Time, ev BlockReceived, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	return t.swarmActions(now, t.swarm.Received(now, ev.Peer, ev.Block, ev.Kept, nil), out)
}

func (t *transfer) blockSent(ev BlockSent) {
	if t.swarm != nil {
		t.swarm.Sent(ev.Peer, unit.Bytes(ev.Length))
	}
}

func (t *transfer) spanStored(now unit.Time, ev SpanStored, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	if ev.Result == NotStored {
		return t.swarmActions(now, t.swarm.Halt(nil), out)
	}
	return t.swarmActions(now, t.swarm.Stored(now, ev.Span, ev.Result == Stored, nil), out)
}

func (t *transfer) spanVerified(now unit.Time, ev SpanVerified, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	return t.swarmActions(now, t.swarm.Verified(now, ev.Span, ev.Good, nil), out)
}

func (t *transfer) tick(now unit.Time, out []Action) []Action {
	out = t.decided(now, t.overlay.Tick(now, nil), out) // time alone moves nobody
	if t.swarm != nil {
		return t.swarmActions(now, t.swarm.Tick(now, nil), out)
	}
	return t.fetchManifest(now, out)
}

func (t *transfer) flush(now unit.Time, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	t.overlay.Progress(now, t.swarm.Permille(), t.swarm.Complete())
	t.overlay.Supply(now, func(depth int) bool { return t.swarm.Starves(now, depth) })
	return t.swarmActions(now, t.swarm.Flush(now, nil), out)
}

func (t *transfer) nextDeadline(now unit.Time) unit.Time {
	next := t.overlay.NextDeadline()
	if t.swarm != nil {
		return min(next, t.swarm.NextDeadline(now))
	}
	if t.down.closed() {
		return next
	}
	return min(next, t.manifest.nextDeadline(len(t.peers)))
}

// swarmActions passes on what the swarm decided. That a connection was given up has
// consequences, such as requests withdrawn and made; they come after all that was
// decided before, or the caller would withdraw first and request then.
func (t *transfer) swarmActions(now unit.Time, actions []swarm.Action, out []Action) []Action {
	var gone []unit.NodeID
	for _, a := range actions {
		switch a := a.(type) {
		case swarm.Request:
			out = t.send(a.Peer, wire.SpanRequest{Span: uint32(a.Block.Span), Begin: uint32(a.Block.Begin), Length: uint32(a.Block.Length)}, out)
		case swarm.Cancel:
			out = t.send(a.Peer, wire.SpanCancel{Span: uint32(a.Block.Span), Begin: uint32(a.Block.Begin), Length: uint32(a.Block.Length)}, out)
		case swarm.Reject:
			out = t.send(a.Peer, rejection(a), out)
		case swarm.Upload:
			out = t.upload(a, out)
		case swarm.Store:
			out = append(out, StoreSpan{t.digest, a.Span})
		case swarm.Drop:
			out = append(out, DropSpan{t.digest, a.Span})
		case swarm.DropBlock:
			out = append(out, DropBlock{t.digest, a.Block})
		case swarm.FetchLeaves:
			out = append(out, FetchLeaves{t.digest, a.Peer, a.Span})
		case swarm.Verify:
			out = append(out, VerifySpan{t.digest, a.Span})
		case swarm.Announce:
			out = t.send(a.Peer, announcement(a), out)
		case swarm.Hangup:
			out = append(out, t.hangup(now, a))
			gone = append(gone, a.Peer)
		case swarm.Completed:
			out = append(out, Completed{t.digest})
		}
	}
	for _, peer := range gone {
		out = t.disconnected(now, peer, out)
	}
	return out
}

// hangup says what becomes of a peer that the swarm gives up. The overlay is told
// whom nothing is taken from.
func (t *transfer) hangup(now unit.Time, a swarm.Hangup) Hangup {
	h := Hangup{Transfer: t.digest, Peer: a.Peer, Reason: a.Reason.String()}
	p := t.peers[a.Peer]
	switch a.Reason {
	case swarm.Silent:
	case swarm.Pardoned:
		t.overlay.Trust(now, a.Peer)
	case swarm.BadData, swarm.BadLeaves:
		h.Mute = p == nil || !p.foreign
		h.Ban = !h.Mute
		if h.Mute {
			t.overlay.Distrust(now, a.Peer)
		}
	default:
		h.Ban = true
	}
	return h
}

func (t *transfer) send(peer unit.NodeID, msg wire.Message, out []Action) []Action {
	return append(out, Send{t.digest, peer, msg})
}

func rejection(a swarm.Reject) wire.Message {
	reason := wire.ReasonBusy
	if a.Reason == swarm.NotHere {
		reason = wire.ReasonNotHeld
	}
	return wire.SpanReject{
		Span: uint32(a.Block.Span), Begin: uint32(a.Block.Begin), Length: uint32(a.Block.Length),
		Reason: reason, RetryAfterMs: uint32(a.RetryAfter.Milliseconds()),
	}
}

func announcement(a swarm.Announce) wire.Message {
	switch a.What {
	case swarm.DontHave:
		return wire.SpanDontHave{Spans: a.Spans}
	case swarm.Start:
		return wire.Start{Spans: a.Spans}
	case swarm.Stop:
		return wire.Stop{Spans: a.Spans}
	case swarm.Suspect:
		return wire.SpanSuspect{Spans: a.Spans}
	}
	return wire.SpanHave{Spans: a.Spans}
}

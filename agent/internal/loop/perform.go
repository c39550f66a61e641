package loop

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// perform does what the machine decided. Nothing here waits.
func (l *Loop) perform(a node.Action) {
	switch a := a.(type) {
	case node.JoinGroup:
		l.joinGroup(l.transfers[a.Transfer], a)
	case node.LeaveGroup:
		l.leaveGroup(l.transfers[a.Transfer], a)
	case node.ClaimSlot:
		l.claimSlot(l.transfers[a.Transfer], a)
	case node.Dial:
		l.dial(l.transfers[a.Transfer], a)
	case node.Hangup:
		l.hangup(l.transfers[a.Transfer], a)
	case node.Send:
		l.send(l.transfers[a.Transfer], a)
	case node.SendBlock:
		l.sendBlock(l.transfers[a.Transfer], a)
	case node.CancelBlock:
		l.cancelBlock(l.transfers[a.Transfer], a)
	case node.SendManifest:
		l.sendManifest(l.transfers[a.Transfer], a)
	case node.ManifestFetched:
		l.checkManifest(l.transfers[a.Transfer], a)
	case node.StoreSpan:
		l.storeSpan(l.transfers[a.Transfer], a)
	case node.DropSpan:
		l.transfers[a.Transfer].dropSpan(a.Span)
	case node.DropBlock:
		l.transfers[a.Transfer].dropBlock(a.Block)
	case node.FetchLeaves:
		l.fetchLeaves(l.transfers[a.Transfer], a)
	case node.SendLeaves:
		l.sendLeaves(l.transfers[a.Transfer], a)
	case node.VerifySpan:
		l.verifySpan(l.transfers[a.Transfer], a)
	case node.Completed:
		l.notices.put(swarmapi.Completed{Digest: a.Transfer})
	}
}

func (l *Loop) joinGroup(t *transfer, a node.JoinGroup) {
	t.record(recordJoin, a.Location, func(ctx context.Context) {
		l.watcher.AddGroup(t.key(a.Location))
		if err := l.cfg.Store.JoinGroup(ctx, t.key(a.Location), a.Member, overlay.MemberTTL); err != nil {
			l.log.Debug("group not joined, will be tried again", "error", err)
		}
	})
}

func (l *Loop) leaveGroup(t *transfer, a node.LeaveGroup) {
	t.record(recordLeave, a.Location, func(ctx context.Context) {
		l.watcher.RemoveGroup(t.key(a.Location))
		if err := l.cfg.Store.LeaveGroup(ctx, t.key(a.Location), l.cfg.Machine.Self); err != nil {
			l.log.Debug("group not left, its lease will run out", "error", err)
		}
	})
}

func (l *Loop) claimSlot(t *transfer, a node.ClaimSlot) {
	t.record(recordClaim, a.Location, func(ctx context.Context) {
		slot, held, err := l.cfg.Store.ClaimSlot(ctx, t.key(a.Location), l.cfg.Machine.Self, a.Slots, overlay.SlotLease)
		if err != nil {
			l.log.Debug("slot not claimed, will be tried again", "error", err)
			return
		}
		l.post(func(unit.Time) {
			if !t.ended {
				l.step(node.SlotAnswered{Transfer: t.digest, Location: a.Location, Slot: slot, Held: held})
			}
		})
	})
}

func (l *Loop) hangup(t *transfer, a node.Hangup) {
	switch {
	case a.Ban:
		l.ban(l.now(), t, a.Peer, a.Reason)
	case a.Mute:
		l.log.Warn("peer banned", "peer", a.Peer, "transfer", t.digest, "reason", a.Reason, "for", swarm.MuteTime, "from", "giving")
	}
	if k := t.links[a.Peer]; k != nil {
		delete(t.links, a.Peer)
		k.conn.Close(errors.New(a.Reason))
	}
}

// ban keeps a peer out for a while.
func (l *Loop) ban(now unit.Time, t *transfer, peer unit.NodeID, reason string) {
	l.log.Warn("peer banned", "peer", peer, "transfer", t.digest, "reason", reason, "for", banTime)
	t.banned[banName(peer)] = now.Add(banTime)
}

func (l *Loop) send(t *transfer, a node.Send) {
	k := t.links[a.Peer]
	if k == nil {
		return
	}
	if r, ok := a.Message.(wire.SpanRequest); ok {
		if t.buffers.Load().begin(int32(r.Span), t.lengths[r.Span]) {
			l.begun = true
		}
		t.buffers.Load().ask(a.Peer, swarm.Block{Span: int32(r.Span), Begin: int32(r.Begin), Length: int32(r.Length)})
	}
	k.conn.Send(a.Message)
}

// sendBlock has the connection read and send a block. Content that cannot be
// read any more is withdrawn.
func (l *Loop) sendBlock(t *transfer, a node.SendBlock) {
	k := t.links[a.Peer]
	if k == nil {
		return
	}
	content := t.content
	k.conn.SendSpan(uint32(a.Block.Span), uint32(a.Block.Begin), uint32(a.Block.Length), func(buf []byte) error {
		if err := content.ReadAt(int(a.Block.Span), int(a.Block.Begin), buf); err != nil {
			l.withdraw(t, content, a, err)
			return err
		}
		k.noteSent(len(buf))
		return nil
	})
}

func (l *Loop) cancelBlock(t *transfer, a node.CancelBlock) {
	if k := t.links[a.Peer]; k != nil {
		k.conn.CancelSpan(uint32(a.Block.Span), uint32(a.Block.Begin), uint32(a.Block.Length))
	}
}

func (l *Loop) withdraw(t *transfer, content swarmapi.Content, a node.SendBlock, err error) {
	l.log.Warn("content cannot be served, it is withdrawn", "transfer", t.digest, "span", a.Block.Span, "error", err)
	have := content.Have()
	have.Clear(int(a.Block.Span))
	l.post(func(unit.Time) {
		if !t.ended {
			l.step(node.ContentChanged{Transfer: t.digest, Have: have})
			l.offerAgain(t, a.Block.Span)
		}
	})
}

// Failures may pass, such as a lack of descriptors. What the content still says
// that it has is offered again after offerMin, ever later if it fails again.
const (
	offerMin = time.Second
	offerMax = 5 * time.Minute
)

// offerAgain is for a span that was withdrawn, right or wrong.
func (l *Loop) offerAgain(t *transfer, span int32) {
	if t.offering || !t.content.Have().Has(int(span)) {
		return
	}
	wait := max(t.offerAfter, offerMin)
	t.offering, t.offerAfter = true, min(2*wait, offerMax)
	time.AfterFunc(wait, func() {
		l.post(func(unit.Time) {
			if t.offering = false; !t.ended {
				l.step(node.ContentChanged{Transfer: t.digest, Have: t.content.Have()})
			}
		})
	})
}

func (l *Loop) sendManifest(t *transfer, a node.SendManifest) {
	k := t.links[a.Peer]
	if k == nil {
		return
	}
	total := len(t.torrent)
	if int64(a.Offset) >= int64(total) || a.Length == 0 {
		k.conn.Send(wire.ManifestReject{})
		return
	}
	end := min(int(a.Offset)+int(min(a.Length, wire.MaxManifestChunk)), total)
	k.conn.Send(wire.ManifestData{Total: uint32(total), Offset: a.Offset, Data: t.torrent[a.Offset:end]})
}

// checkManifest makes sure that what a peer sent is the manifest that was asked
// for, and hands it on.
func (l *Loop) checkManifest(t *transfer, a node.ManifestFetched) {
	l.workers.Go(func() {
		var m *artifact.Manifest
		err := guarded(func() (err error) {
			m, err = parseManifest(a.Torrent, t.digest)
			return err
		})
		l.post(func(unit.Time) {
			switch {
			case t.ended:
			case err != nil:
				l.log.Warn("bad manifest from a peer", "transfer", t.digest, "error", err)
				l.step(node.ManifestBad{Transfer: t.digest})
			default:
				t.torrent = a.Torrent
				l.step(node.ManifestVerified{Transfer: t.digest})
				l.notices.put(swarmapi.ManifestFetched{Digest: t.digest, Manifest: m})
			}
		})
	})
}

func parseManifest(torrent []byte, of artifact.Digest) (*artifact.Manifest, error) {
	m, err := artifact.Parse(torrent)
	if err == nil && m.Digest() != of {
		err = fmt.Errorf("it is the manifest of %s", m.Digest())
	}
	return m, err
}

// guarded makes a panic in f, which handles bytes that a peer sent, an error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// storeSpan verifies and writes a span, as many at a time as there are cores.
func (l *Loop) storeSpan(t *transfer, a node.StoreSpan) {
	buffers, content := t.buffers.Load(), t.content
	s := buffers.take(a.Span)
	if s == nil {
		return
	}
	l.workers.Go(func() {
		l.hashers <- struct{}{}
		err := guarded(func() error { return content.WriteSpan(int(a.Span), s.buf) })
		<-l.hashers
		var bad *storage.BadPieceError
		gone := false
		if errors.As(err, &bad) {
			gone = !buffers.restore(a.Span, s, bad.Pieces)
		} else {
			buffers.release(a.Span, s)
		}
		l.post(func(unit.Time) {
			if !t.ended && !gone {
				l.stored(t, a.Span, err)
			}
		})
	})
}

func (l *Loop) stored(t *transfer, span int32, err error) {
	ev := node.SpanStored{Transfer: t.digest, Span: span, Result: node.Stored}
	var bad *storage.BadPieceError
	switch {
	case errors.As(err, &bad):
		l.log.Warn("wrong bytes received", "transfer", t.digest, "span", span, "error", err)
		ev.Result = node.Corrupt
	case err != nil:
		ev.Result = node.NotStored
		l.notices.put(swarmapi.Failed{Digest: t.digest, Err: err})
	}
	l.step(ev)
}

// verifySpan looks at what is on disk of a span that a peer holds to be wrong.
func (l *Loop) verifySpan(t *transfer, a node.VerifySpan) {
	content := t.content
	l.workers.Go(func() {
		l.hashers <- struct{}{}
		err := guarded(func() error { return content.VerifySpan(int(a.Span)) })
		<-l.hashers
		if err != nil {
			l.log.Debug("content is not what it was, it is withdrawn", "transfer", t.digest, "span", a.Span, "error", err)
		}
		l.post(func(unit.Time) {
			if !t.ended {
				l.step(node.SpanVerified{Transfer: t.digest, Span: a.Span, Good: err == nil})
				if err != nil {
					l.offerAgain(t, a.Span)
				}
			}
		})
	})
}

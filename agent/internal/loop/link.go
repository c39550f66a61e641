package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// link is a connection that was let in. It is the transport's sink: its methods
// run on the connection's goroutine.
type link struct {
	t    *transfer
	conn conn
	peer unit.NodeID
	into *assembly // where the block that is being read goes
	from *assembler
	sent atomic.Int64 // bytes of payload that the loop has not been told of
	// lookups are those of what the peer wants leaves of.
	lookups lookups
	// order is touched only by run.
	order order
}

// Message implements transport.Sink.
func (k *link) Message(_ *transport.Conn, m wire.Message) {
	switch m := m.(type) {
	case wire.HashRequest:
		k.leavesWanted(m)
		return
	case wire.Hashes:
		k.post(func(unit.Time) { k.t.loop.leaves(k.t, k.peer, m.HashRange, m.Hashes) })
		return
	case wire.HashReject:
		k.post(func(unit.Time) { k.t.loop.leaves(k.t, k.peer, m.HashRange, nil) })
		return
	}
	k.post(func(unit.Time) {
		if m, ok := k.order.byTCP(m); ok {
			k.t.loop.step(node.MessageReceived{Transfer: k.t.digest, Peer: k.peer, Message: m})
		}
	})
}

// Announced implements transport.Sink.
func (k *link) Announced(_ *transport.Conn, number uint64, m wire.Message) {
	k.t.loop.postAhead(k.standing(func(unit.Time) {
		if k.t.manifest == nil {
			return // nobody heeds it yet, but the copy by TCP may come in time
		}
		if m, ok := k.order.byDatagram(number, m); ok {
			k.t.loop.stepAhead(node.MessageReceived{Transfer: k.t.digest, Peer: k.peer, Message: m})
		}
	}))
}

// post has the loop execute f unless the link was replaced or given up.
func (k *link) post(f func(now unit.Time)) { k.t.loop.post(k.standing(f)) }

// standing is f, as far as the link stands then.
func (k *link) standing(f func(now unit.Time)) func(now unit.Time) {
	return func(now unit.Time) {
		if k.t.links[k.peer] == k && !k.t.ended {
			k.contain(func() { f(now) })
		}
	}
}

// contain executes what a peer caused: a panic in it costs the peer its
// connection, not the agent its life.
func (k *link) contain(f func()) {
	l := k.t.loop
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err := fmt.Errorf("handling what it sent: panic: %v", p)
		l.log.Error("connection given up", "peer", k.peer, "transfer", k.t.digest, "error", err, "stack", string(debug.Stack()))
		k.conn.Close(err)
		if k.t.links[k.peer] == k {
			delete(k.t.links, k.peer)
			l.step(node.PeerDisconnected{Transfer: k.t.digest, Peer: k.peer})
		}
	}()
	f()
}

// Block implements transport.Sink.
func (k *link) Block(_ *transport.Conn, span, begin, length uint32) []byte {
	k.into, k.from = nil, k.t.buffers.Load()
	if k.from == nil || span > 1<<31-1 || begin > 1<<31-1 {
		return nil
	}
	var buf []byte
	k.into, buf = k.from.claim(k.peer, swarm.Block{Span: int32(span), Begin: int32(begin), Length: int32(length)})
	return buf
}

// BlockDone implements transport.Sink. A block that the connection's end cut off
// is no event: the peer's leaving follows and sees to it.
func (k *link) BlockDone(_ *transport.Conn, span, begin, length uint32, kept bool) {
	k.t.loop.moved.Add(1)
	b := swarm.Block{Span: int32(span), Begin: int32(begin), Length: int32(length)}
	if k.into != nil {
		cut := !kept
		kept = k.from.done(k.into, b, kept)
		if cut {
			return
		}
	}
	t, into := k.t, k.into
	t.loop.post(func(now unit.Time) {
		if t.ended {
			return
		}
		t.meter.add(now, unit.Bytes(length))
		// The span may have been dropped, and begun anew, since the block came.
		current := kept && t.buffers.Load().current(b.Span, into)
		k.contain(func() {
			t.loop.step(node.BlockReceived{Transfer: t.digest, Peer: k.peer, Block: b, Kept: current})
		})
	})
}

// noteSent tells the loop of payload that goes out, once for all that does until
// the loop comes to it.
func (k *link) noteSent(n int) {
	k.t.loop.moved.Add(1)
	if k.sent.Add(int64(n)) > int64(n) {
		return // it will be told anyway
	}
	t := k.t
	t.loop.post(func(unit.Time) {
		if sent := k.sent.Swap(0); !t.ended {
			t.loop.step(node.BlockSent{Transfer: t.digest, Peer: k.peer, Length: int32(sent)})
		}
	})
}

// attach lets a connection in: it becomes the link to its peer, in place of an
// older one.
func (l *Loop) attach(t *transfer, c conn) {
	k := &link{t: t, conn: c, peer: c.Peer()}
	if old := t.links[k.peer]; old != nil {
		old.conn.Close(fmt.Errorf("node %s connected anew", k.peer))
	}
	t.links[k.peer] = k
	l.step(node.PeerConnected{Transfer: t.digest, Peer: k.peer, Foreign: k.foreign(), MaxRequest: int32(c.MaxRequest())})
	l.workers.Go(func() {
		err := c.Run(k)
		k.post(func(now unit.Time) {
			l.log.Debug("connection ended", "peer", k.peer, "transfer", t.digest, "reason", err)
			if errors.Is(err, wire.ErrMalformed) || errors.Is(err, wire.ErrTooLarge) {
				l.ban(now, t, k.peer, err.Error())
			}
			delete(t.links, k.peer)
			l.step(node.PeerDisconnected{Transfer: t.digest, Peer: k.peer})
		})
	})
}

// maxDials bounds the connections that are being made at a time: peers that do
// not answer take 10 seconds each.
const maxDials = 64

// dial connects to a peer and reports once.
func (l *Loop) dial(t *transfer, a node.Dial) {
	l.workers.Go(func() {
		c, err := l.connect(t, a)
		if err != nil {
			l.post(func(unit.Time) {
				if !t.ended {
					l.log.Info("peer not reached, will be tried again", "transfer", t.digest, "error", err)
					l.step(node.PeerDisconnected{Transfer: t.digest, Peer: a.Peer})
				}
			})
			return
		}
		l.post(func(now unit.Time) { l.dialed(now, t, c) })
	})
}

func (l *Loop) connect(t *transfer, a node.Dial) (*transport.Conn, error) {
	select {
	case l.dials <- struct{}{}:
		defer func() { <-l.dials }()
	case <-t.ctx.Done():
		return nil, t.ctx.Err()
	}
	return l.cfg.Transport.Dial(t.ctx, a.Addr, a.Peer, t.digest)
}

func (l *Loop) dialed(now unit.Time, t *transfer, c *transport.Conn) {
	if t.ended || now < t.banned[c.Peer()] || !l.machine.Admits(t.digest, c.Peer()) {
		c.Close(errLeft)
		if !t.ended {
			l.step(node.PeerDisconnected{Transfer: t.digest, Peer: c.Peer()})
		}
		return
	}
	l.attach(t, c)
}

// strangerPatience is how long an inbound connection waits to be named by the
// overlay: the peer may have heard of us before we hear of it.
const strangerPatience = 2 * time.Second

// maxStrangers bounds the inbound connections that wait, maxStrangersOfNode
// those of one node. Who is sent away dials again.
const (
	maxStrangers       = 256
	maxStrangersOfNode = 32
)

// stranger is an inbound connection that the overlay does not name yet.
type stranger struct {
	conn  *transport.Conn
	until unit.Time
}

func (l *Loop) accept(ctx context.Context) {
	for {
		c, err := l.cfg.Transport.Accept(ctx)
		if err != nil {
			return
		}
		l.post(func(now unit.Time) { l.arrived(now, c) })
		select {
		case <-l.done:
			c.Close(errShutdown)
			return
		default:
		}
	}
}

// arrived lets an inbound connection in if the overlay names the peer
// (requirement 12), else lets it wait a little.
func (l *Loop) arrived(now unit.Time, c *transport.Conn) {
	if l.admit(now, c) {
		return
	}
	if len(l.waiting) >= maxStrangers || l.strangersOf(c.Peer()) >= maxStrangersOfNode {
		c.Close(errTooManyStrangers)
		return
	}
	l.waiting = append(l.waiting, &stranger{c, now.Add(strangerPatience)})
	time.AfterFunc(strangerPatience, func() { l.post(func(unit.Time) { l.reconsider() }) })
}

var errTooManyStrangers = errors.New("too many connections wait to be named by a group")

func (l *Loop) strangersOf(peer unit.NodeID) (n int) {
	for _, s := range l.waiting {
		if s.conn.Peer() == peer {
			n++
		}
	}
	return n
}

func (l *Loop) admit(now unit.Time, c *transport.Conn) bool {
	t := l.transfers[c.Digest()]
	if t == nil || now < t.banned[c.Peer()] || !l.machine.Admits(c.Digest(), c.Peer()) {
		return false
	}
	l.attach(t, c)
	return true
}

// reconsider looks at the waiting strangers again.
func (l *Loop) reconsider() {
	now := l.now()
	waiting := l.waiting
	l.waiting = nil
	for _, s := range waiting {
		switch {
		case l.admit(now, s.conn):
		case s.until.Reached(now):
			err := fmt.Errorf("node %s is not a peer of this node in transfer %s", s.conn.Peer(), s.conn.Digest())
			l.cfg.Transport.LogRefused(slog.LevelWarn, s.conn.Addr(), err)
			s.conn.Close(err)
		default:
			l.waiting = append(l.waiting, s)
		}
	}
}

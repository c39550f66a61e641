package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/foreign"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Bounds of other BitTorrent clients.
const (
	maxForeign       = 64 // in one transfer
	maxForeignOfHost = 8
	// A client that wants what no transfer here is about waits a little: this
	// node may hold the content, and be about to offer it.
	maxVisitors     = 64
	visitorPatience = 5 * time.Second
	// A configured client that is not reached, or does not stay, is tried again
	// after courtMin, later less often.
	courtMin = time.Second
	courtMax = time.Minute
)

var (
	errTooManyForeign = errors.New("too many other BitTorrent clients take part in the transfer")
	errForeignBanned  = errors.New("clients of this address are banned from the transfer")
)

// visitor is a client that connected about an artifact that is not offered yet.
type visitor struct {
	guest *transport.Guest
	until unit.Time
}

func (l *Loop) acceptForeign(ctx context.Context) {
	for {
		g, err := l.cfg.Transport.AcceptForeign(ctx)
		if err != nil {
			return
		}
		l.post(func(now unit.Time) { l.visited(now, g) })
		select {
		case <-l.done:
			g.Close()
			return
		default:
		}
	}
}

// visited lets a client in, or lets it wait until the content that it asks for is
// offered.
func (l *Loop) visited(now unit.Time, g *transport.Guest) {
	if t := l.wanted(g); t != nil {
		l.welcome(now, t, g)
		return
	}
	if len(l.visitors) >= maxVisitors {
		l.turnAway(g, errTooManyForeign)
		return
	}
	l.visitors = append(l.visitors, visitor{g, now.Add(visitorPatience)})
	l.notices.put(swarmapi.Asked{InfoHash: g.Handshake.InfoHash})
	time.AfterFunc(visitorPatience, func() { l.post(func(unit.Time) { l.receiveVisitors() }) })
}

// wanted is the transfer that a client asks for, if its content is here.
func (l *Loop) wanted(g *transport.Guest) *transfer {
	for d, t := range l.transfers {
		if d.Short() == g.Handshake.InfoHash && t.manifest != nil {
			return t
		}
	}
	return nil
}

// receiveVisitors looks at the waiting clients again.
func (l *Loop) receiveVisitors() {
	now, waiting := l.now(), l.visitors
	l.visitors = nil
	for _, v := range waiting {
		t := l.wanted(v.guest)
		switch {
		case t != nil:
			l.welcome(now, t, v.guest)
		case v.until.Reached(now):
			l.turnAway(v.guest, fmt.Errorf("this node does not offer an artifact with info-hash %x", v.guest.Handshake.InfoHash))
		default:
			l.visitors = append(l.visitors, v)
		}
	}
}

// welcome lets a client into a transfer; nil if there is no place for it.
func (l *Loop) welcome(now unit.Time, t *transfer, g *transport.Guest) conn {
	name, err := t.nameGuest(g)
	if err == nil && now < t.banned[banName(name)] {
		err = errForeignBanned
	}
	if err != nil {
		l.turnAway(g, err)
		return nil
	}
	content := t.content
	c := foreignConn{foreign.New(foreign.Config{
		Guest: g, Peer: name, Manifest: t.manifest, Read: content.ReadAt, Effort: l.effort, Client: l.cfg.Client, Logger: l.log,
	})}
	l.log.Info("other BitTorrent client takes part", "client", c.Addr().String(), "peer", name, "transfer", t.digest, "dialed", !g.Inbound)
	l.attach(t, c)
	return c
}

func (l *Loop) turnAway(g *transport.Guest, why error) {
	l.cfg.Transport.LogRefused(slog.LevelWarn, g.RemoteAddr(), why)
	g.Close()
}

// nameGuest chooses what a client is called: no node has such a name. Who comes
// again from its host, whatever the port, gets the name of one that left, so that
// what it did is remembered.
func (t *transfer) nameGuest(g *transport.Guest) (unit.NodeID, error) {
	at, err := netip.ParseAddrPort(g.RemoteAddr().String())
	if err != nil {
		return "", fmt.Errorf("address of a client: %w", err)
	}
	if t.foreigners() >= maxForeign {
		return "", errTooManyForeign
	}
	for i := range maxForeignOfHost {
		name := unit.NodeID(fmt.Sprintf("foreign:%s/%d", at.Addr().Unmap(), i+1))
		if t.links[name] == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w from %s", errTooManyForeign, at.Addr())
}

// banName is whom a ban of a peer concerns: all clients of a host, or a node.
func banName(peer unit.NodeID) unit.NodeID {
	host, _, _ := strings.Cut(string(peer), "/")
	return unit.NodeID(host)
}

// foreigners counts the other clients of a transfer.
func (t *transfer) foreigners() (n int) {
	for _, k := range t.links {
		if k.foreign() {
			n++
		}
	}
	return n
}

// visitors counts those that still need something.
func (t *transfer) visitors() (n int) {
	for _, k := range t.links {
		if c, ok := k.conn.(foreignConn); ok && !c.Complete() {
			n++
		}
	}
	return n
}

func (k *link) foreign() bool {
	_, ok := k.conn.(foreignConn)
	return ok
}

// court stays connected to a configured client until the transfer ends.
func (l *Loop) court(t *transfer, addr string) {
	wait := courtMin
	for {
		began := time.Now()
		if c := l.call(t, addr); c != nil {
			<-c.Done()
			if time.Since(began) > courtMax {
				wait = courtMin
			}
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, courtMax)
		case <-t.ctx.Done():
			return
		}
	}
}

// call connects to a client; nil if that failed.
func (l *Loop) call(t *transfer, addr string) conn {
	g, err := l.cfg.Transport.DialForeign(t.ctx, addr, t.digest)
	if err != nil {
		l.log.Debug("other BitTorrent client not reached, will be tried again", "transfer", t.digest, "error", err)
		return nil
	}
	reply := make(chan conn, 1)
	l.post(func(now unit.Time) {
		if t.ended {
			g.Close()
			reply <- nil
			return
		}
		reply <- l.welcome(now, t, g)
	})
	select {
	case c := <-reply:
		return c
	case <-l.done:
		g.Close()
		return nil
	}
}

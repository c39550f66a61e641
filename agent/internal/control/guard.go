package control

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Bounds on the connections to the listener for mutual TLS, each of which takes
// a descriptor of the agent.
const (
	// maxHalfOpen is for those that have not sent a request, which strangers
	// without a certificate never do.
	maxHalfOpen = 128
	maxConns    = 1024
)

// guard is a listener that bounds its connections: the oldest that is half-open
// makes room for a new one, and where none is, the new one is closed.
type guard struct {
	net.Listener
	halfOpen, total int // how many there may be; positive

	mu   sync.Mutex
	news []*guarded // those that are half-open, the oldest first
	all  int
}

func newGuard(l net.Listener, halfOpen, total int) *guard {
	return &guard{Listener: l, halfOpen: halfOpen, total: total}
}

// Accept returns a connection that is half-open until known was called.
func (g *guard) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := g.enter(raw); c != nil {
			return c, nil
		}
		raw.Close()
	}
}

// enter returns nil if there is no room.
func (g *guard) enter(raw net.Conn) *guarded {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.news); n > 0 && (n >= g.halfOpen || g.all >= g.total) {
		oldest := g.news[0]
		g.leave(oldest)
		oldest.Conn.Close()
	}
	if g.all >= g.total {
		return nil
	}
	c := &guarded{Conn: raw, guard: g}
	g.news = append(g.news, c)
	g.all++
	return c
}

// leave forgets a connection, once. The caller holds mu.
func (g *guard) leave(c *guarded) {
	if c.left {
		return
	}
	c.left = true
	g.known(c)
	g.all--
}

// known ends being half-open. The caller holds mu.
func (g *guard) known(c *guarded) {
	if i := slices.Index(g.news, c); i >= 0 {
		g.news = slices.Delete(g.news, i, i+1)
	}
}

// guarded is a connection that a guard counts until it is closed.
type guarded struct {
	net.Conn
	guard *guard
	left  bool // guarded by guard.mu
}

// Close closes the connection and makes room for another.
func (c *guarded) Close() error {
	err := c.Conn.Close()
	c.guard.mu.Lock()
	defer c.guard.mu.Unlock()
	c.guard.leave(c)
	return err
}

// known ends being half-open.
func (c *guarded) known() {
	c.guard.mu.Lock()
	defer c.guard.mu.Unlock()
	c.guard.known(c)
}

// noteState tells the guard of a connection whose handshake is done and that has
// sent something.
func noteState(c net.Conn, state http.ConnState) {
	if state != http.StateActive {
		return
	}
	if secure, ok := c.(*tls.Conn); ok {
		if g, ok := secure.NetConn().(*guarded); ok {
			g.known()
		}
	}
}

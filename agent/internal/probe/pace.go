package probe

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/pause"
)

// pacer lets packets to a device go one per interval, in turn.
type pacer struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

// wait returns when the next packet may go.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	turn := p.next
	if now := time.Now(); turn.Before(now) {
		turn = now
	}
	p.next = turn.Add(p.every)
	p.mu.Unlock()
	return pause.For(ctx, time.Until(turn))
}

// pacedConn has each packet wait for its turn, and for its answer from then on.
type pacedConn struct {
	net.Conn
	ctx     context.Context
	pace    *pacer
	timeout time.Duration
	sent    time.Time // of the last packet
}

// Write sends a packet when it may go.
func (c *pacedConn) Write(packet []byte) (int, error) {
	if err := c.pace.wait(c.ctx); err != nil {
		return 0, err
	}
	c.sent = time.Now()
	if err := c.Conn.SetDeadline(c.sent.Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(packet)
}

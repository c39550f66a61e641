package store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/rackswarm/rackswarm/core/api"
)

// EmbeddedConfig says how to run Redis inside this process.
type EmbeddedConfig struct {
	Listen   string      // host:port; port 0 takes a free one
	TLS      *tls.Config // of the server; nil is plain TCP
	Password string      // "" asks for none
	// StateFile keeps artifacts, distributions, known nodes, runs with their
	// reports, backups, schedules, holds and limits across restarts. "" keeps
	// nothing. The rest expires anyway and comes back by itself.
	StateFile string
	Logger    *slog.Logger // nil is slog.Default()
}

// Embedded is an in-process Redis for a first use and for tests: one process, no
// replica. Losing it is an outage of the store that heals when it is back.
type Embedded struct {
	redis    *miniredis.Miniredis
	listener net.Listener
	state    *state // nil if nothing is kept
	serving  sync.WaitGroup
	once     sync.Once
	closed   error
}

// StartEmbedded loads the state file, listens and serves until Close. An address
// or a state file that cannot be used is an *api.Error.
func StartEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	e := &Embedded{redis: miniredis.NewMiniRedis()}
	e.redis.ClockTTL(true)
	if cfg.Password != "" {
		e.redis.RequireAuth(cfg.Password)
	}
	if err := e.startState(cfg); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	l, err := listen(cfg)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.listener = l
	e.serving.Go(e.accept)
	return e, nil
}

// startState serves nobody yet: it makes the server and fills it.
func (e *Embedded) startState(cfg EmbeddedConfig) error {
	// miniredis makes its server when it is dialled, or when it listens by
	// itself, but then a connection has no deadlines.
	c, err := e.redis.Dial()
	if err != nil {
		return fmt.Errorf("start the embedded store: %w", err)
	}
	c.Close()
	if cfg.StateFile == "" {
		return nil
	}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.Default()
	}
	e.state, err = startState(cfg.StateFile, e.redis, logger)
	return err
}

func listen(cfg EmbeddedConfig) (net.Listener, error) {
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, &api.Error{
			Code: api.CodeInvalid, Subject: "store.listen", Message: err.Error(),
			Fix: "choose an address of this machine and a port that is free",
		}
	}
	return deadlineListener{l, cfg.TLS}, nil
}

func (e *Embedded) accept() {
	for {
		c, err := e.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: others will be closed
			time.Sleep(50 * time.Millisecond)
			continue
		}
		e.redis.Server().ServeConn(c)
	}
}

// Addr is the host:port it listens on.
func (e *Embedded) Addr() string { return e.listener.Addr().String() }

// Close ends all connections and writes the state a last time.
func (e *Embedded) Close() error {
	e.once.Do(func() {
		if e.listener != nil {
			e.listener.Close()
		}
		e.serving.Wait()
		e.redis.Close()
		if e.state != nil {
			e.closed = e.state.close()
		}
	})
	return e.closed
}

// writeTimeout bounds how long a receiver that reads nothing holds up the whole
// store, which writes to subscribers one after the other.
const writeTimeout = 2 * time.Second

// deadlineListener accepts connections whose writes do not wait for ever.
type deadlineListener struct {
	net.Listener
	tls *tls.Config
}

func (l deadlineListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c = deadlineConn{c}
	if l.tls != nil {
		c = tls.Server(c, l.tls)
	}
	return c, nil
}

type deadlineConn struct{ net.Conn }

func (c deadlineConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		c.Close()
	}
	return n, err
}

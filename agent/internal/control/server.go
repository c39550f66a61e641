package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// Limits against slow and greedy clients.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second // for a request's body as a whole, and for each read of a stream
	writeTimeout  = 60 * time.Second // for an answer as a whole, and for each event
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	shutdownGrace = 5 * time.Second
)

// Server answers the control interface.
type Server struct {
	cfg    Config
	socket *socket       // nil for none
	tls    net.Listener  // nil for none
	ending chan struct{} // closed when streams shall end

	fleet    *fleet.Fleet
	statuses *views[api.Status] // of distributions
	runs     *views[api.Run]
}

// New listens where cfg says. The caller must call Run, which also closes the
// listeners, once.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg.withDefaults(), ending: make(chan struct{})}
	s.fleet = fleet.New(s.cfg.Store, s.cfg.Now)
	s.statuses, s.runs = newViews[api.Status](s.ending), newViews[api.Run](s.ending)
	if cfg.Socket != "" {
		sock, err := listenSocket(cfg.Socket)
		if err != nil {
			return nil, err
		}
		s.socket = sock
	}
	if cfg.Listen != "" {
		if err := s.listenTLS(); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) listenTLS() error {
	if s.cfg.TLS == nil || s.cfg.Identify == nil {
		return &api.Error{Code: api.CodeInvalid, Subject: "api.listen", Message: "the API on the network needs certificates",
			Fix: "enable tls and set tls.ca, tls.cert and tls.key, or leave api.listen empty"}
	}
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: "api.listen", Message: err.Error(),
			Fix: "use an address of this machine and a port that is free"}
	}
	s.tls = tls.NewListener(newGuard(l, maxHalfOpen, maxConns), s.cfg.TLS)
	return nil
}

// Addr is where the API listens on mutual TLS, nil if it does not.
func (s *Server) Addr() net.Addr {
	if s.tls == nil {
		return nil
	}
	return s.tls.Addr()
}

func (s *Server) close() {
	if s.socket != nil {
		s.socket.Close()
	}
	if s.tls != nil {
		s.tls.Close()
	}
}

// Run serves until ctx ends or a listener fails. It ends streams at once and
// gives other requests a few seconds.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests := context.WithoutCancel(ctx)
	srv := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       s.withPeer,
		ConnState:         noteState,
	}
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	for _, l := range s.listeners() {
		wg.Go(func() { failed <- srv.Serve(l) })
	}
	wg.Go(func() { s.sweep(ctx) })
	err := waitFor(ctx, failed)
	cancel()
	close(s.ending)
	s.shutdown(srv)
	wg.Wait()
	s.close()
	return err
}

func (s *Server) listeners() []net.Listener {
	var all []net.Listener
	if s.socket != nil {
		all = append(all, s.socket)
	}
	if s.tls != nil {
		all = append(all, s.tls)
	}
	return all
}

func waitFor(ctx context.Context, failed <-chan error) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("serve the control interface: %w", err)
	}
}

func (s *Server) shutdown(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := srv.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		srv.Close()
	}
}

package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// handshakeTimeout bounds the time from the first byte of a connection to
	// the end of its handshakes, and how long it then waits for Accept.
	handshakeTimeout = 10 * time.Second
	// maxHalfOpen bounds inbound connections whose handshakes are not done. For
	// another one, that which has been at it longest gives way: honest ones take
	// milliseconds, so that silent ones keep nobody out.
	maxHalfOpen = 128
	// acceptPause is how long the listener rests when the system is out of
	// file descriptors.
	acceptPause = 100 * time.Millisecond
)

// TLS is where certificates come from. It is safe for concurrent use.
type TLS interface {
	// ServerTLS is the configuration for inbound connections. It must demand and
	// verify a certificate of the fleet.
	ServerTLS() *tls.Config
	// ClientTLS is the configuration for a connection to node want. It must
	// verify that the other side's certificate is a node's of the fleet.
	ClientTLS(want string) *tls.Config
	// Identity is the name of the node that the other side's certificate was
	// issued for, or an error if it was not issued for a node.
	Identity(cs tls.ConnectionState) (node string, err error)
}

// Config says who we are and where we listen.
type Config struct {
	Self   unit.NodeID
	PeerID [20]byte // of BEP 3; drawn at random if zero
	Listen string   // host:port; an empty host is every address, IPv4 and IPv6
	// TLS is nil for plain TCP. A peer's name is then what it says it is, which
	// is trusted because it was configured so on both sides.
	TLS TLS
	// Foreign are the addresses from which other BitTorrent clients may connect,
	// in plain TCP whatever TLS is.
	Foreign []netip.Prefix
	// Datagrams has STARTs and STOPs go by UDP as well, at the port of Listen, between
	// agents that both have it. Without TLS it does nothing.
	Datagrams bool
	Client    string       // name and version of the program, told to peers
	Logger    *slog.Logger // nil discards
}

// Transport dials and accepts connections. It is safe for concurrent use.
type Transport struct {
	config   Config
	log      *slog.Logger
	listener net.Listener
	accepted chan *Conn
	guests   chan *Guest
	// datagrams is nil if there are none.
	datagrams *datagrams
	ctx       context.Context // ends with Close
	stop      context.CancelFunc
	workers   sync.WaitGroup // the accept loop and its handshakes
	refused   refusals
	pacer     *pacer
	carried   carried
}

// ErrClosed is returned by Accept and Dial after Close.
var ErrClosed = errors.New("transport is closed")

// Listen starts to accept connections. The caller must Close the transport.
func Listen(config Config) (*Transport, error) {
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, listenError(config.Listen, err)
	}
	t := newTransport(config)
	t.listener = listener
	t.openDatagrams()
	t.workers.Go(t.acceptLoop)
	return t, nil
}

func newTransport(config Config) *Transport {
	t := &Transport{config: config, log: config.Logger, refused: refusals{hosts: map[string]*refuser{}}, accepted: make(chan *Conn), guests: make(chan *Guest)}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.pacer = newPacer(t.log)
	if t.config.PeerID == [20]byte{} {
		rand.Read(t.config.PeerID[copy(t.config.PeerID[:], agentPrefix):])
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Addr is the address that the transport listens on.
func (t *Transport) Addr() net.Addr { return t.listener.Addr() }

// Close stops listening and ends connections whose handshakes are not done or
// that Accept has not returned. Those handed out stay open; their owners close
// them.
func (t *Transport) Close() error {
	t.stop()
	err := t.listener.Close()
	if t.datagrams != nil {
		err = errors.Join(err, t.datagrams.close())
		t.log.Debug("datagrams", t.datagrams.logCounts()...)
	}
	t.workers.Wait()
	t.pacer.close()
	return err
}

// Accept returns the next inbound connection with its handshakes done. The
// caller admits it by Run or refuses it by Close. Connections whose handshakes
// fail are logged and not returned.
func (t *Transport) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-t.accepted:
		return c, nil
	case <-t.ctx.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dial connects to node want at addr about artifact d. It fails if the peer
// proves to be another node, if ctx ends, or after 10 seconds.
func (t *Transport) Dial(ctx context.Context, addr string, want unit.NodeID, d Digest) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err == nil {
		var c *Conn
		if c, err = t.outbound(ctx, raw, want, d); err == nil {
			return c, nil
		}
		raw.Close()
	}
	if t.ctx.Err() != nil {
		err = ErrClosed
	}
	return nil, fmt.Errorf("connect to node %s at %s: %w", want, addr, err)
}

// acceptLoop owns the listener.
func (t *Transport) acceptLoop() {
	open := newHalfOpen()
	for {
		raw, err := t.listener.Accept()
		if err != nil {
			if !t.rest(err) {
				return
			}
			continue
		}
		done, leave := open.enter(raw)
		t.workers.Go(func() {
			defer leave()
			t.welcome(raw, done)
		})
	}
}

// rest waits a little after a failed accept; false means the listener is gone.
func (t *Transport) rest(err error) bool {
	if t.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	if silent, log := t.refused.note("every", time.Now()); log {
		t.log.Warn("no connection can be accepted; if files are short, raise the agent's limit of open files (LimitNOFILE of its unit)",
			"listen", t.config.Listen, "error", err, "not_logged", silent)
	}
	select {
	case <-time.After(acceptPause):
		return true
	case <-t.ctx.Done():
		return false
	}
}

// welcome does the handshakes of an inbound connection, says that they are done
// and hands it to Accept.
func (t *Transport) welcome(raw net.Conn, done func()) {
	ctx, cancel := context.WithTimeout(t.ctx, handshakeTimeout)
	defer cancel()
	a, err := t.guarded(ctx, raw)
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, errObfuscated) {
			level = slog.LevelDebug
		}
		t.LogRefused(level, raw.RemoteAddr(), err)
		if t.ctx.Err() == nil {
			linger(raw)
		}
		raw.Close()
		return
	}
	done()
	t.hand(ctx, a)
}

// arrival is an inbound connection whose handshakes are done: of a node, or of
// another client.
type arrival struct {
	conn  *Conn
	guest *Guest
}

// hand gives an arrival to who accepts it.
func (t *Transport) hand(ctx context.Context, a arrival) {
	if a.guest != nil {
		select {
		case t.guests <- a.guest:
		case <-ctx.Done():
			a.guest.Close()
		}
		return
	}
	select {
	case t.accepted <- a.conn:
	case <-ctx.Done():
		a.conn.Close(errors.New("not accepted in time"))
	}
}

// guarded keeps a panic in the parsing of a stranger's bytes to itself.
func (t *Transport) guarded(ctx context.Context, raw net.Conn) (a arrival, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(t.log, "handshake", p)
		}
	}()
	return t.inbound(ctx, raw)
}

package transport

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// listenBoth opens a transport with datagrams at an address with port 0. Its UDP
// port may be somebody else's, then it tries another.
func listenBoth(t testing.TB, self unit.NodeID, creds TLS, at string) *Transport {
	t.Helper()
	for range 100 {
		tr, err := Listen(Config{Self: self, Listen: at, TLS: creds, Datagrams: true})
		if err != nil {
			t.Fatal(err)
		}
		if tr.datagrams != nil {
			t.Cleanup(func() { tr.Close() })
			return tr
		}
		tr.Close()
	}
	t.Fatal("no port is free for both TCP and UDP")
	return nil
}

// lanes gives both ends of a connection with datagrams.
func lanes(t testing.TB) (a, b *Conn) {
	t.Helper()
	ca := newAuthority(t)
	a, b = connect(t, listenBoth(t, "n1", ca.node(t, "n1"), "127.0.0.1:0"), listenBoth(t, "n2", ca.node(t, "n2"), "127.0.0.1:0"))
	always(a, b)
	return a, b
}

func start(spans ...uint32) wire.Message { return wire.Start{Spans: spans} }
func stop(spans ...uint32) wire.Message  { return wire.Stop{Spans: spans} }

// always has every START and STOP go by datagram.
func always(conns ...*Conn) {
	for _, c := range conns {
		c.lane.least = 0
	}
}

// receive is run for a connection whose datagrams count: it returns when they are
// taken.
func receive(c *Conn, s Sink) <-chan error {
	ended := run(c, s)
	for open := false; !open; time.Sleep(time.Millisecond) {
		c.lane.socket.mu.RLock()
		open = c.lane.socket.lanes[c.lane.own.ID] != nil
		c.lane.socket.mu.RUnlock()
	}
	return ended
}

// split tells apart what came by TCP and by datagram.
func split(entries []any) (byTCP []wire.Message, byDatagram []announced) {
	for _, e := range entries {
		if a, ok := e.(announced); ok {
			byDatagram = append(byDatagram, a)
		} else {
			byTCP = append(byTCP, e.(wire.Message))
		}
	}
	return byTCP, byDatagram
}

func TestStartsAndStopsGoBothWays(t *testing.T) {
	a, b := lanes(t)
	ja, jb := newJournal(), newJournal()
	receive(a, ja)
	receive(b, jb)
	for _, c := range []struct {
		from, to *Conn
		j        *journal
	}{{a, b, jb}, {b, a, ja}} {
		sent := []wire.Message{start(1, 2), wire.SpanHave{Spans: []uint32{1}}, wire.Load{}, stop(2), start(make([]uint32, 2*wire.MaxSpans)...), start(7)}
		for _, m := range sent {
			c.from.Send(m)
		}
		byTCP, byDatagram := split(c.j.await(t, 7+3))
		if len(byTCP) != 7 || !reflect.DeepEqual(byTCP[:4], sent[:4]) || !reflect.DeepEqual(byTCP[6], sent[5]) {
			t.Errorf("by TCP came %.300v", byTCP)
		}
		if want := []announced{{1, start(1, 2)}, {3, stop(2)}, {6, start(7)}}; !reflect.DeepEqual(byDatagram, want) {
			t.Errorf("by datagram came %.300v, want %v", byDatagram, want)
		}
		if in, out := c.to.Stats().OverheadIn, c.from.Stats().OverheadOut; in < 3*datagramHead || out < 3*datagramHead {
			t.Errorf("%d bytes came and %d left", in, out)
		}
	}
}

// What waits in TCP, or is not taken from it, does not hold a datagram up.
func TestDatagramOvertakes(t *testing.T) {
	a, b := lanes(t)
	busy, release := make(chan struct{}), make(chan struct{})
	j := newJournal()
	j.message = func(_ *Conn, m wire.Message) {
		if _, ok := m.(wire.Choke); ok {
			close(busy)
			<-release
		}
	}
	ended := receive(b, j)
	a.Send(wire.Choke{}) // a's writer does not even run: nothing of TCP leaves
	a.Send(start(9))
	if got := j.await(t, 1); !reflect.DeepEqual(got, []any{announced{1, start(9)}}) {
		t.Errorf("first came %v", got)
	}
	run(a, newJournal())
	<-busy
	a.Send(stop(9))
	if got := j.await(t, 3)[2]; !reflect.DeepEqual(got, announced{2, stop(9)}) {
		t.Errorf("while a message was handled came %v", got)
	}
	close(release)
	if got := j.await(t, 5)[3:]; !reflect.DeepEqual(got, []any{start(9), stop(9)}) {
		t.Errorf("at last came %v", got)
	}
	a.Close(nil)
	reason(t, ended)
}

// A datagram is for what would wait in TCP.
func TestOnlyWhatWouldWaitGoesByDatagram(t *testing.T) {
	a, b := lanes(t)
	a.lane.least = datagramBacklog
	busy, release := make(chan struct{}), make(chan struct{})
	j := newJournal()
	j.message = func(_ *Conn, m wire.Message) {
		if _, ok := m.(wire.Choke); ok {
			close(busy)
			<-release
		}
	}
	run(a, newJournal())
	ended := receive(b, j)
	a.Send(start(1))
	j.await(t, 1) // nothing else is on the way
	a.Send(wire.Choke{})
	<-busy
	for range 4 { // the peer reads nothing any more: TCP fills up
		a.SendSpan(1, 0, wire.MaxRequest, filled('x'))
	}
	for a.lane.backlog() < datagramBacklog {
		time.Sleep(time.Millisecond)
	}
	a.Send(start(2))
	if got := j.await(t, 3); !reflect.DeepEqual(got, []any{start(1), wire.Choke{}, announced{2, start(2)}}) {
		t.Errorf("%v came", got)
	}
	close(release)
	a.Close(nil)
	reason(t, ended)
}

func TestWhenThereAreNoDatagrams(t *testing.T) {
	ca := newAuthority(t)
	listening := func(name string, creds TLS, datagrams bool) *Transport {
		tr, err := Listen(Config{Self: unit.NodeID(name), Listen: "127.0.0.1:0", TLS: creds, Datagrams: datagrams})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tr.Close() })
		return tr
	}
	for _, c := range []struct {
		name     string
		from, to *Transport
	}{
		{"the listener has none", listenBoth(t, "n1", ca.node(t, "n1"), "127.0.0.1:0"), listening("n2", ca.node(t, "n2"), false)},
		{"the dialler has none", listening("n1", ca.node(t, "n1"), false), listenBoth(t, "n2", ca.node(t, "n2"), "127.0.0.1:0")},
		{"plain TCP", listening("n1", nil, true), listening("n2", nil, true)},
	} {
		a, b := connect(t, c.from, c.to)
		if a.lane != nil || b.lane != nil {
			t.Errorf("%s: there are datagrams", c.name)
		}
		j := newJournal()
		run(a, newJournal())
		run(b, j)
		a.Send(start(1))
		if got := j.await(t, 1); !reflect.DeepEqual(got, []any{start(1)}) {
			t.Errorf("%s: %v arrived", c.name, got)
		}
	}
}

func TestUDPPortIsTaken(t *testing.T) {
	var taken *net.UDPConn
	var tcp net.Listener
	for taken == nil { // a number that is free for both
		var err error
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		taken, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(tcp.Addr().String())))
		if err != nil {
			taken = nil
		}
		tcp.Close()
	}
	defer taken.Close()
	log, lines := logLines()
	ca := newAuthority(t)
	to, err := Listen(Config{Self: "n2", Listen: tcp.Addr().String(), TLS: ca.node(t, "n2"), Datagrams: true, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	awaitLine(t, lines, "no datagrams, all goes by TCP")
	a, b := connect(t, listenBoth(t, "n1", ca.node(t, "n1"), "127.0.0.1:0"), to)
	j := newJournal()
	run(a, newJournal())
	run(b, j)
	a.Send(start(1))
	j.await(t, 1)
}

// A firewall that swallows datagrams, or answers that nobody is there, costs
// nothing but them.
func TestBlockedPort(t *testing.T) {
	a, b := lanes(t)
	b.lane.socket.close()
	j := newJournal()
	run(a, newJournal())
	run(b, j)
	for i := range uint32(100) {
		a.Send(start(i))
		b.Send(start(i)) // from a socket that is closed
	}
	byTCP, byDatagram := split(j.await(t, 100))
	if len(byTCP) != 100 || len(byDatagram) != 0 {
		t.Errorf("%d came by TCP, %d by datagram", len(byTCP), len(byDatagram))
	}
	if n := b.lane.socket.counts.unsent.Load(); n != 100 {
		t.Errorf("%d datagrams were not sent, want 100", n)
	}
}

func TestDatagramsOfBothFamilies(t *testing.T) {
	ca := newAuthority(t)
	from := listenBoth(t, "n1", ca.node(t, "n1"), ":0")
	to := listenBoth(t, "n2", ca.node(t, "n2"), ":0")
	_, port, _ := net.SplitHostPort(to.Addr().String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		if probe, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			t.Logf("this machine has no %s: %v", host, err)
			continue
		} else {
			probe.Close()
		}
		accepted := make(chan *Conn, 1)
		go func() {
			c, _ := to.Accept(t.Context())
			accepted <- c
		}()
		a, err := from.Dial(t.Context(), net.JoinHostPort(host, port), "n2", someDigest)
		if err != nil {
			t.Fatal(err)
		}
		b := <-accepted
		always(a, b)
		ja, jb := newJournal(), newJournal()
		receive(a, ja)
		receive(b, jb)
		a.Send(start(1))
		b.Send(stop(2))
		for _, j := range []*journal{ja, jb} {
			if byTCP, byDatagram := split(j.await(t, 2)); len(byTCP) != 1 || len(byDatagram) != 1 {
				t.Errorf("%s: %v came by TCP, %v by datagram", host, byTCP, byDatagram)
			}
		}
		a.Close(nil)
	}
}

// A socket that fails for good is given up, and not read again and again; one that
// recovers is read on, and one that is closed ends without a word.
func TestSocketThatFailsIsGivenUp(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		fails, then int // reads that fail, reads that bring something after them
		last        error
		reads       int
		want        error
	}{
		"for good":           {fails: 1 << 30, reads: maxReadFailures, want: broken},
		"recovers":           {fails: maxReadFailures - 1, then: 3, last: net.ErrClosed, reads: maxReadFailures + 3},
		"closed":             {last: net.ErrClosed, reads: 1},
		"fails, then closed": {fails: 2, last: net.ErrClosed, reads: 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			reads, taken, begun := 0, 0, time.Now()
			err := readAll(func(b []byte) (int, error) {
				reads++
				switch {
				case reads <= c.fails:
					return 0, broken
				case reads <= c.fails+c.then:
					return 1, nil
				}
				return 0, c.last
			}, func([]byte) { taken++ })
			if !errors.Is(err, c.want) || reads != c.reads || taken != c.then {
				t.Errorf("%s: %d reads, %d taken, %v", name, reads, taken, err)
			}
			if took := time.Since(begun); took > time.Second || c.fails > 0 && took == 0 {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

// A transport whose socket fails says once what that means, and goes on by TCP.
func TestTransportSaysThatItsSocketFailed(t *testing.T) {
	var log strings.Builder
	tr := &Transport{log: slog.New(slog.NewTextHandler(&log, nil))}
	tr.takeDatagrams(func() error { return errors.New("broken") })
	tr.takeDatagrams(func() error { return nil }) // closed
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "by TCP alone") || !strings.Contains(text, "broken") {
		t.Errorf("the log says %q", text)
	}
}

// tap is what a stranger on the way sees and does.
type tap struct {
	t      *testing.T
	socket *net.UDPConn
	to     netip.AddrPort
}

// tapped has what c sends by datagram go to a stranger.
func tapped(t *testing.T, c *Conn, victim *Transport) *tap {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	c.lane.to = c.lane.socket.sockaddr(netip.MustParseAddrPort(socket.LocalAddr().String()))
	return &tap{t, socket, netip.MustParseAddrPort(victim.Addr().String())}
}

func (p *tap) take() []byte {
	p.t.Helper()
	b := make([]byte, 2*maxDatagram)
	p.socket.SetReadDeadline(time.Now().Add(time.Minute))
	n, _, err := p.socket.ReadFromUDPAddrPort(b)
	if err != nil {
		p.t.Fatal(err)
	}
	return b[:n]
}

func (p *tap) send(b []byte) {
	p.t.Helper()
	if _, err := p.socket.WriteToUDPAddrPort(b, p.to); err != nil {
		p.t.Fatal(err)
	}
}

// answered reports whether anything came back.
func (p *tap) answered() bool {
	raw, err := p.socket.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		_, _, failed = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_DONTWAIT)
	}); err != nil {
		p.t.Fatal(err)
	}
	return !errors.Is(failed, unix.EAGAIN)
}

func TestRogueDatagrams(t *testing.T) {
	ca := newAuthority(t)
	from, to := listenBoth(t, "n1", ca.node(t, "n1"), "127.0.0.1:0"), listenBoth(t, "n2", ca.node(t, "n2"), "127.0.0.1:0")
	a, b := connect(t, from, to)
	other, _ := connect(t, from, to) // to borrow from
	always(a, b, other)
	j := newJournal()
	receive(b, j)
	p := tapped(t, a, to)
	a.Send(start(1))
	genuine := p.take()
	elsewhere := tapped(t, other, to)
	other.Send(start(1))
	foreign := elsewhere.take()
	own := tapped(t, b, to)
	b.Send(start(1))
	reflected := own.take()
	change := func(at int, by ...byte) []byte {
		c := append([]byte(nil), genuine...)
		copy(c[at:], by)
		return c
	}
	sealed := func(number uint64, body []byte) []byte {
		b := binary.BigEndian.AppendUint64(nil, a.lane.peers.ID)
		b = binary.BigEndian.AppendUint64(b, number)
		nonce := a.lane.out.nonceOf(number)
		return a.lane.out.aead.Seal(b, nonce[:], body, b)
	}
	c := &to.datagrams.counts
	for _, r := range []struct {
		name  string
		b     []byte
		count interface{ Load() int64 }
	}{
		{"nothing", nil, &c.malformed},
		{"too short", genuine[:datagramHead+datagramTag-1], &c.malformed},
		{"too long", make([]byte, maxDatagram+1), &c.malformed},
		{"of no connection", change(0, 1, 2, 3, 4, 5, 6, 7, 8), &c.strange},
		{"of a connection that is not let in", foreign, &c.strange},
		{"with another number", change(8, 1), &c.forged},
		{"with another byte", change(len(genuine)-1, genuine[len(genuine)-1]^1), &c.forged},
		{"cut", genuine[:len(genuine)-1], &c.forged},
		{"with the seal of another connection", append(append([]byte(nil), genuine[:8]...), foreign[8:]...), &c.forged},
		{"sent back to who sent it", append(append([]byte(nil), genuine[:8]...), reflected[8:]...), &c.forged},
		{"an empty body of the peer", sealed(50, nil), &c.malformed},
		{"another message of the peer", sealed(51, []byte{1, 1, 1}), &c.malformed},
		{"number 0", sealed(0, genuine), &c.replayed},
		{"genuine", genuine, &c.delivered},
		{"genuine, again", genuine, &c.replayed},
	} {
		before := r.count.Load()
		p.send(r.b)
		for end := time.Now().Add(time.Minute); r.count.Load() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("a datagram %s is not counted", r.name)
			}
		}
	}
	if p.answered() {
		t.Error("a stranger was answered")
	}
	if got := j.await(t, 1); !reflect.DeepEqual(got, []any{announced{1, start(1)}}) || c.delivered.Load() != 1 {
		t.Errorf("%d were delivered: %v", c.delivered.Load(), got)
	}
	run(a, newJournal())
	a.Send(stop(1)) // the connection stands
	p.send(p.take())
	if byTCP, byDatagram := split(j.await(t, 4)); len(byTCP) != 2 || len(byDatagram) != 2 {
		t.Errorf("at the end %v came by TCP, %v by datagram", byTCP, byDatagram)
	}
}

// Both directions number their datagrams from 1: with one key they would be sealed
// alike, which AES-GCM does not bear.
func TestEachDirectionHasItsKey(t *testing.T) {
	a, b := lanes(t)
	sealed := func(s *seal) string {
		nonce := s.nonceOf(1)
		return string(s.aead.Seal(nil, nonce[:], []byte("text"), nil))
	}
	if sealed(&a.lane.out) != sealed(&b.lane.in) || sealed(&a.lane.in) != sealed(&b.lane.out) {
		t.Error("the sides do not have the same keys")
	}
	if sealed(&a.lane.out) == sealed(&a.lane.in) {
		t.Error("both directions have the same key")
	}
	if first, second := a.lane.out.nonceOf(1), a.lane.out.nonceOf(1<<63); first == second {
		t.Error("two datagrams have one nonce")
	}
}

func TestDatagramsEndWithTheConnection(t *testing.T) {
	ca := newAuthority(t)
	to := listenBoth(t, "n2", ca.node(t, "n2"), "127.0.0.1:0")
	a, b := connect(t, listenBoth(t, "n1", ca.node(t, "n1"), "127.0.0.1:0"), to)
	always(a)
	ended := receive(b, newJournal())
	late := tapped(t, a, to)
	a.Send(start(1))
	datagram := late.take()
	b.Close(nil)
	reason(t, ended)
	late.send(datagram)
	c := &b.lane.socket.counts
	for c.strange.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if n := len(b.lane.socket.lanes); n != 0 || c.delivered.Load() != 0 {
		t.Errorf("%d lanes are left, %d datagrams were delivered", n, c.delivered.Load())
	}
	b.lane.take(datagram) // was looked up before the end
	if c.delivered.Load() != 0 {
		t.Error("delivered after the end")
	}
}

func TestPanicOverADatagramEndsOneConnection(t *testing.T) {
	a, b := lanes(t)
	run(a, newJournal())
	ended := receive(b, sink{announced: func() { panic("boom") }})
	a.Send(start(1))
	if err := reason(t, ended); !strings.Contains(err.Error(), "boom") {
		t.Errorf("ended by %v", err)
	}
	if n := len(b.lane.socket.lanes); n != 0 {
		t.Errorf("%d lanes are left", n)
	}
}

func TestReplayWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w replayWindow
		seen, newest := map[uint64]bool{}, uint64(0)
		near := rapid.Uint64Range(0, 300)
		far := rapid.Uint64()
		for range rapid.IntRange(1, 200).Draw(t, "numbers") {
			n := rapid.OneOf(near, near, far).Draw(t, "number")
			want := n > newest || n != 0 && newest-n < replayWindowSize && !seen[n]
			if got := w.first(n); got != want {
				t.Fatalf("%d after %d, seen before: %v: it is first: %v", n, newest, seen[n], got)
			}
			seen[n], newest = true, max(newest, n)
		}
	})
}

func FuzzDatagramOfAnybody(f *testing.F) {
	a, b := lanes(f)
	b.lane.open(sink{})
	id := binary.BigEndian.AppendUint64(nil, b.lane.own.ID)
	f.Add([]byte{}, false)
	f.Add(make([]byte, maxDatagram+1), false)
	f.Add(make([]byte, datagramHead+datagramTag), false)
	f.Add([]byte{4, 1, 2, 2}, true)
	f.Add([]byte{5, 0xff, 0xff, 1, 3}, true)
	f.Add([]byte{4, 1, 0x80}, true)
	f.Fuzz(func(t *testing.T, text []byte, ofPeer bool) {
		c := &b.lane.socket.counts
		before := c.delivered.Load()
		if !ofPeer {
			b.lane.socket.take(text)
			b.lane.socket.take(append(id[:8:8], text...))
			if c.delivered.Load() != before {
				t.Fatalf("%x is taken for the peer's", text)
			}
			return
		}
		a.lane.number++
		d := binary.BigEndian.AppendUint64(id[:8:8], a.lane.number)
		nonce := a.lane.out.nonceOf(a.lane.number)
		b.lane.socket.take(a.lane.out.aead.Seal(d, nonce[:], text, d))
		_, _, err := wire.ParseDatagram(text)
		if taken := c.delivered.Load() > before; taken != (err == nil) {
			t.Fatalf("%x of the peer, %v: taken: %v", text, err, taken)
		}
	})
}

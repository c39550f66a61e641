package control

import (
	"net"
	"slices"
	"testing"
	"time"
)

// queue is a listener that accepts what is put into it, and fails when nothing
// is left.
type queue chan net.Conn

func (q queue) Accept() (net.Conn, error) {
	select {
	case c := <-q:
		return c, nil
	default:
		return nil, net.ErrClosed
	}
}
func (q queue) Close() error   { return nil }
func (q queue) Addr() net.Addr { return nil }

// isOpen reports whether the other end of a pipe has not closed it.
func isOpen(c net.Conn) bool { return c.SetReadDeadline(time.Unix(1, 0)) == nil }

// Each letter is a connection: n comes and stays half-open, k comes and is known
// at once, c is known and then closed.
func TestGuardMakesRoom(t *testing.T) {
	for _, c := range []struct {
		name, come, open string // 1 for each that is open afterwards
	}{
		{"few", "nnn", "111"},
		{"the oldest that is half-open goes", "nnnnn", "00111"},
		{"those that are known stay", "knnknnn", "1001111"},
		{"a full house of known ones takes nobody", "kkkkkkn", "1111110"},
		{"the last half-open one goes for a new one", "nkkkkkkk", "01111110"},
		{"closed ones make room", "kkkkcckk", "11110011"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := make(queue, 1)
			g := newGuard(q, 3, 6)
			var clients []net.Conn
			for _, kind := range c.come {
				client, raw := net.Pipe()
				defer client.Close()
				clients = append(clients, client)
				q <- raw
				server, err := g.Accept()
				if err != nil {
					continue // it was closed, and there is no other
				}
				if kind != 'n' {
					server.(*guarded).known()
				}
				if kind == 'c' {
					server.Close()
					server.Close() // as a server does after a failed handshake
				}
			}
			var open []byte
			for _, client := range clients {
				open = append(open, map[bool]byte{true: '1', false: '0'}[isOpen(client)])
			}
			if !slices.Equal(open, []byte(c.open)) {
				t.Errorf("open %s, want %s", open, c.open)
			}
		})
	}
}

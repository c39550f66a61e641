package network

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Dial connects from the host. The connection stays in its network.
func (h *Host) Dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, protocol, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", h.Address, err)
	}
	return conn, nil
}

// Listen waits for TCP connections at the host's address. Port 0 is any that is
// free.
func (h *Host) Listen(port uint16) (net.Listener, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(h.Address, port).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", h.Address, err)
	}
	return l, nil
}

// Fetch sends an HTTP request from the host over a connection of its own and
// returns the body of the answer, which must be 200. It ends when the request's
// context does, and leaves nothing behind then, as http.Client may: a connection
// that is still being made in a network that is gone.
func (h *Host) Fetch(q *http.Request) ([]byte, error) {
	conn, err := h.Dial(q.Context(), "tcp4", q.URL.Host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(q.Context(), func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if err := q.Write(conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", q.URL, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

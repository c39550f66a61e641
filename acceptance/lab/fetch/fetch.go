// Package fetch makes HTTP requests from hosts of a lab's network.
package fetch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
)

// Do sends a request from a host over a connection of its own and returns the body
// of the answer, which must be 200. It ends when its context does, and leaves
// nothing behind then, as http.Client may: a connection that is still being made in
// a network that is gone.
func Do(h *network.Host, q *http.Request) ([]byte, error) {
	conn, err := Dial(q.Context(), h, "tcp4", q.URL.Host)
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

// Dial connects from a host.
func Dial(ctx context.Context, h *network.Host, protocol, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, protocol, address)
		return err
	})
	return conn, err
}

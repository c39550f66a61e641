package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/scenario"
)

const twoHosts = `
name: fetch
artifact: {size: 1MB, seed: 1}
locations: {r1: {uplink: 10Mbit, hosts: 2}}
host: {up: 100Mbit, down: 100Mbit}
initial: r1/1
`

func TestDo(t *testing.T) {
	if err := network.Unsupported(); err != nil {
		t.Skip(err)
	}
	s, err := scenario.Parse("fetch.yaml", []byte(twoHosts))
	if err != nil {
		t.Fatal(err)
	}
	n, err := network.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	to := n.Host("r1/2")
	var l net.Listener
	err = to.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(to.Address, 80).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/echo":
			text, _ := io.ReadAll(q.Body)
			fmt.Fprintf(w, "%s from %s", text, q.RemoteAddr)
		case "/never":
			<-q.Context().Done()
		default:
			http.NotFound(w, q)
		}
	})}
	go server.Serve(l)
	defer server.Close()

	get := func(ctx context.Context, path string) (string, error) {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+path, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := Do(n.Host("r1/1"), q)
		return string(text), err
	}
	if text, err := get(t.Context(), "/echo"); err != nil || !strings.HasPrefix(text, "hello from "+n.Host("r1/1").Address.String()) {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := get(t.Context(), "/nothing"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a page that is not there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var timeout net.Error
	if _, err := get(ctx, "/never"); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a page that never comes: %v", err)
	}
}

package network_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network/networktest"
	"github.com/rackswarm/rackswarm/core/topo"
)

func TestFetch(t *testing.T) {
	n := networktest.New(t, racks(1, 2, both(10*mbit), topo.Unlimited))
	from, to := n.Host("dc/r1/1"), n.Host("dc/r1/2")
	l, err := to.Listen(80)
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
		text, err := from.Fetch(q)
		return string(text), err
	}
	if text, err := get(t.Context(), "/echo"); err != nil || !strings.HasPrefix(text, "hello from "+from.Address.String()) {
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

package traffic

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/fetch"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
)

const (
	pageInterval = 200 * time.Millisecond // begins of two pages, unless one takes longer
	pageSize     = 20_000                 // bytes
	pagePatience = 10 * time.Second       // a page that takes longer is lost
)

// measureHTTP loads pages one after another until ctx ends.
func measureHTTP(ctx context.Context, from, to *network.Host) ([]Sample, error) {
	l, err := listenTCP(to)
	if err != nil {
		return nil, err
	}
	page := make([]byte, pageSize)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })} //nolint:gosec // it serves the probe alone
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // it returns when it is closed
	}()
	defer func() {
		server.Close()
		<-served
	}()
	return loadPages(ctx, from, fmt.Sprintf("http://%s/", l.Addr())), nil
}

func loadPages(ctx context.Context, from *network.Host, url string) []Sample {
	tick := time.NewTicker(pageInterval)
	defer tick.Stop()
	begin := time.Now()
	var all []Sample
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
		s := Sample{At: time.Since(begin)}
		err := loadPage(ctx, from, url)
		if ctx.Err() != nil {
			return all // it was not the network that broke it off
		}
		if s.Lost = err != nil; !s.Lost {
			s.Took = time.Since(begin) - s.At
		}
		all = append(all, s)
	}
}

func loadPage(ctx context.Context, from *network.Host, url string) error {
	ctx, cancel := context.WithTimeout(ctx, pagePatience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	page, err := fetch.Do(from, q)
	if err == nil && len(page) != pageSize {
		err = fmt.Errorf("a page of %d bytes", len(page))
	}
	return err
}

func listenTCP(h *network.Host) (net.Listener, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(h.Address, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", h.Node, err)
	}
	return l, nil
}

package traffic

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
)

const (
	pageInterval = 200 * time.Millisecond // begins of two pages, unless one takes longer
	pageSize     = 20_000                 // bytes
	pagePatience = 5 * time.Second        // a page that takes longer is lost
)

// measureHTTP loads pages one after another until ctx ends.
func measureHTTP(ctx context.Context, from, to *network.Host) ([]sample, error) {
	l, err := to.Listen(0)
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

func loadPages(ctx context.Context, from *network.Host, url string) []sample {
	tick := time.NewTicker(pageInterval)
	defer tick.Stop()
	begin := time.Now()
	var all []sample
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
		s := sample{at: time.Since(begin)}
		err := loadPage(ctx, from, url)
		if ctx.Err() != nil {
			return all // it was not the network that broke it off
		}
		if s.lost = err != nil; !s.lost {
			s.took = time.Since(begin) - s.at
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
	page, err := from.Fetch(q)
	if err == nil && len(page) != pageSize {
		err = fmt.Errorf("a page of %d bytes", len(page))
	}
	return err
}

package download

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// part is what a further stream fetches at once: much, so that it does not wait
// for answers, and little enough to measure.
const part = 16 << 20

// session fetches what is missing over as many connections as pay. It returns
// when all has arrived or its first stream fails; nil if only others failed.
func (t *transfer) session(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r, c, err := t.first(ctx)
	if err != nil || c == nil {
		return err
	}
	var more sync.WaitGroup
	defer more.Wait()
	ended := make(chan struct{})
	defer close(ended)
	if t.divisible(r) {
		more.Go(func() { t.grow(ctx, ended, &more) })
	}
	err = t.copy(r, c)
	r.Close()
	t.release(c)
	for err == nil {
		if c = t.claim(unknown); c == nil {
			return nil
		}
		err = t.fetchPart(ctx, c)
	}
	stop()
	return err
}

// first sends the request that a session begins with, and takes what its answer
// brings. Without a claim there is nothing to do.
func (t *transfer) first(ctx context.Context) (*reply, *claim, error) {
	t.mu.Lock()
	if !t.resumable() || t.ledger.complete() {
		t.mu.Unlock()
		return t.fresh(ctx)
	}
	size := t.ledger.size
	c := t.ledger.claim(unknown)
	t.mu.Unlock()
	err := t.fits(size)
	var r *reply
	if err == nil {
		r, err = t.openPart(ctx, c)
	}
	if err != nil {
		t.release(c)
		return nil, nil, err
	}
	return r, c, nil
}

// fresh asks for the whole content, unless that is here already and has not
// changed.
func (t *transfer) fresh(ctx context.Context) (*reply, *claim, error) {
	known, here := t.job.Known, t.whole()
	if here {
		known = *t.version
	}
	header := http.Header{}
	known.condition(header)
	r, err := t.get(ctx, t.target, header)
	if err != nil {
		return nil, nil, err
	}
	same := r.StatusCode == http.StatusNotModified && len(header) > 0 ||
		r.StatusCode == http.StatusOK && known.validator() != "" && known.validator() == versionOf(r.Header, r.ContentLength).validator()
	var c *claim
	switch {
	case same && here:
	case same:
		err = ErrUnchanged
	case r.StatusCode == http.StatusOK:
		c, err = t.begin(r)
	default:
		err = refusalOf(r, t.target)
	}
	if err != nil || c == nil {
		r.Close()
		return nil, nil, err
	}
	return r, c, nil
}

// openPart asks for a claim's stretch.
func (t *transfer) openPart(ctx context.Context, c *claim) (*reply, error) {
	t.mu.Lock()
	v, s := *t.version, span{c.next, c.end}
	t.mu.Unlock()
	r, err := t.get(ctx, t.target, v.want(s))
	if err != nil {
		return nil, err
	}
	if err = checkPart(r, t.target, v, s); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// checkPart checks that an answer brings the stretch of that version.
func checkPart(r *reply, t target, v Version, s span) error {
	now := versionOf(r.Header, -1)
	switch r.StatusCode {
	case http.StatusPartialContent:
		got, total, ok := contentRange(r.Header)
		switch {
		case v.differs(now), ok && total >= 0 && total != v.Size:
			return errChanged
		case !ok, got.From != s.From, got.To > s.To:
			return errRanges
		}
		return nil
	case http.StatusOK:
		if v.differs(now) || r.ContentLength >= 0 && r.ContentLength != v.Size {
			return errChanged
		}
		return errRanges
	case http.StatusRequestedRangeNotSatisfiable:
		return errChanged
	}
	return refusalOf(r, t)
}

func (t *transfer) fetchPart(ctx context.Context, c *claim) error {
	defer t.release(c)
	r, err := t.openPart(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	return t.copy(r, c)
}

// divisible reports whether further streams may help.
func (t *transfer) divisible(r *reply) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.resumable() && (r.StatusCode == http.StatusPartialContent || r.Header.Get("Accept-Ranges") == "bytes") &&
		t.ledger.size-t.ledger.arrived() >= 2*part
}

// grow measures, and adds streams as long as that pays, until the first stream
// has ended.
func (t *transfer) grow(ctx context.Context, ended <-chan struct{}, streams *sync.WaitGroup) {
	g := growth{streams: 1}
	var running, wanted atomic.Int64
	var refused atomic.Bool
	tick := time.NewTicker(t.cfg.Period)
	defer tick.Stop()
	for last := t.moved.Load(); ; {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if refused.Swap(false) {
			g.refuse()
		}
		now := t.moved.Load()
		wanted.Store(int64(g.observe(now-last)) - 1)
		last = now
		for running.Load() < wanted.Load() {
			running.Add(1)
			streams.Go(func() {
				defer running.Add(-1)
				for running.Load() <= wanted.Load() {
					c := t.claim(part)
					if c == nil {
						return
					}
					if t.fetchPart(ctx, c) != nil {
						refused.Store(true)
						return
					}
				}
			})
		}
	}
}

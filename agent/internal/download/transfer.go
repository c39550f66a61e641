package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pause"
)

// Job is one download.
type Job struct {
	URL     *url.URL          // http or https, perhaps with user and password
	Headers map[string]string // of the user
	// Dir gets the file Name, and what is known of it while it is not whole. It
	// exists, and belongs to this job. What an earlier job for the same URL left
	// there is used.
	Dir  string
	Name string
	// Known is a version that the caller has already; Fetch then returns
	// ErrUnchanged if the URL still has it.
	Known Version
	// Checked says that the caller knows a checksum and will compare it.
	Checked bool
	// Progress, which may be nil, hears how far the stage "downloading" is.
	Progress func(api.Progress)
}

const (
	// maxFailures bounds the failures in a row that brought hardly anything, and
	// firstFailures those before any answer.
	maxFailures   = 6
	firstFailures = 3
	// enough is what a session must bring for earlier failures to be forgotten.
	enough = 1 << 20
	// maxRestarts bounds how often what has arrived is thrown away.
	maxRestarts = 3
	// tellEvery is the time between two reports of progress.
	tellEvery = 250 * time.Millisecond
	// keepEvery is the time between two notes of what has arrived.
	keepEvery = time.Second
)

// transfer is a job under way.
type transfer struct {
	*Fetcher
	job    Job
	target target
	file   *os.File
	moved  atomic.Int64 // bytes that have arrived, in all
	saving sync.Mutex   // held while the progress is written
	// answered says that the server has sent content, touched only by run.
	answered bool

	mu sync.Mutex
	// version is that of the bytes in the ledger; nil as long as there is none.
	version *Version
	ledger  ledger
	single  bool // the server does not send parts
}

// Fetch completes Dir/Name. After an error what has arrived stays in Dir, for
// another Fetch to go on, unless it is of no use.
func (f *Fetcher) Fetch(ctx context.Context, job Job) (Version, error) {
	t := &transfer{Fetcher: f, job: job, target: newTarget(job.URL, job.Headers)}
	if err := t.open(); err != nil {
		return Version{}, t.target.explain(ctx, localError{err})
	}
	defer t.file.Close()
	stop := t.tend(ctx)
	err := t.run(ctx)
	stop()
	if err == nil {
		err = t.finish()
	} else {
		err = errors.Join(err, t.save())
	}
	if err != nil {
		err = t.target.explain(ctx, err)
		var e *api.Error
		if errors.As(err, &e) && e.Code == api.CodeNoSpace && isFull(t.file) {
			_ = t.discard() // the agent needs room for its own state
		}
		return Version{}, err
	}
	return *t.version, nil
}

// tend reports and keeps the progress until stop is called.
func (t *transfer) tend(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	every := func(d time.Duration, do func()) {
		work.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					do()
				case <-ctx.Done():
					return
				}
			}
		})
	}
	every(tellEvery, t.tell)
	every(keepEvery, func() {
		if err := t.save(); err != nil {
			t.cfg.Logger.Warn("progress of a download is not kept", "url", t.target.shown, "error", err)
		}
	})
	return func() {
		cancel()
		work.Wait()
		t.tell()
	}
}

func (t *transfer) tell() {
	if t.job.Progress == nil {
		return
	}
	t.mu.Lock()
	p := api.Progress{Stage: "downloading", Done: t.ledger.arrived(), Total: t.ledger.size}
	t.mu.Unlock()
	if p.Total == unknown {
		p.Total = 0
	}
	t.job.Progress(p)
}

// run makes sessions until everything has arrived.
func (t *transfer) run(ctx context.Context) error {
	failures, restarts := 0, 0
	for {
		before := t.moved.Load()
		err := t.session(ctx)
		if err == nil && t.whole() {
			return nil
		}
		if err == nil { // parts failed
			err = io.ErrUnexpectedEOF
		}
		if ctx.Err() != nil || errors.Is(err, ErrUnchanged) || !passing(err) {
			return err
		}
		t.answered = t.answered || t.moved.Load() > before
		if t.startOver(err) {
			restarts++
		}
		if t.moved.Load()-before >= enough {
			failures = 0
		}
		failures++
		if failures >= maxFailures || failures >= firstFailures && !t.answered || restarts > maxRestarts {
			return givenUp(err, failures, restarts)
		}
		t.cfg.Logger.Info("download is tried again", "url", t.target.shown, "error", err)
		if err := pause.For(ctx, max(t.cfg.Pause(failures), min(retryAfter(err), time.Minute))); err != nil {
			return err
		}
	}
}

func givenUp(err error, failures, restarts int) error {
	if restarts > maxRestarts {
		return fmt.Errorf("given up after starting over %d times: %w", maxRestarts, err)
	}
	return fmt.Errorf("given up after %d attempts: %w", failures, err)
}

func retryAfter(err error) time.Duration {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.after
	}
	return 0
}

// startOver forgets what has arrived if nothing can be added to it, and reports
// whether there was something.
func (t *transfer) startOver(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if errors.Is(err, errRanges) {
		t.single = true
	}
	if !errors.Is(err, errChanged) && t.resumable() {
		return false
	}
	had := t.version != nil
	t.version, t.ledger = nil, ledger{size: unknown}
	return had
}

// resumable reports whether parts of what is missing can be asked for. mu is held.
func (t *transfer) resumable() bool {
	return t.version != nil && t.version.validator() != "" && !t.single && t.ledger.size != unknown
}

func (t *transfer) whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version != nil && t.ledger.complete()
}

// claim takes a stretch of at most limit bytes, nil if there is none.
func (t *transfer) claim(limit int64) *claim {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ledger.claim(limit)
}

func (t *transfer) release(c *claim) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.release(c)
}

// begin makes an answer's content the one that is downloaded.
func (t *transfer) begin(r *reply) (*claim, error) {
	v := versionOf(r.Header, r.ContentLength)
	l := ledger{size: unknown}
	if v.Size >= 0 {
		l.size = v.Size
	}
	if v.Size < 0 && len(r.TransferEncoding) == 0 && !t.job.Checked {
		return nil, errEndless
	}
	if err := t.fits(v.Size); err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.version, t.ledger = &v, l
	c := t.ledger.claim(unknown)
	t.mu.Unlock()
	// Before the first byte: what was kept of other content must not be believed.
	if err := errors.Join(t.save(), t.file.Truncate(0)); err != nil {
		return nil, localError{err}
	}
	return c, nil
}

// copy writes what a claim asks for out of an answer's body, until the claim or
// the body ends.
func (t *transfer) copy(r *reply, c *claim) error {
	buf := make([]byte, 256<<10)
	for {
		t.mu.Lock()
		room := c.end - c.next
		t.mu.Unlock()
		if room == 0 {
			return nil
		}
		n, err := r.Read(buf[:min(int64(len(buf)), room)])
		if failed := t.write(c, buf[:n]); failed != nil {
			return failed
		}
		if errors.Is(err, io.EOF) {
			return t.ended(c)
		}
		if err != nil {
			return err
		}
	}
}

func (t *transfer) write(c *claim, data []byte) error {
	t.mu.Lock()
	at, n := c.reserve(len(data)) // less, if a part was taken away meanwhile
	t.mu.Unlock()
	if _, err := t.file.WriteAt(data[:n], at); err != nil {
		return localError{err}
	}
	t.moved.Add(int64(n))
	t.mu.Lock()
	t.ledger.add(at, at+int64(n))
	t.mu.Unlock()
	return nil
}

// ended is called at the end of a body. Where the size was not known, it is now.
func (t *transfer) ended(c *claim) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ledger.size == unknown {
		t.ledger.size, t.version.Size, c.end = c.next, c.next, c.next
	}
	if c.next < c.end {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// want is the header with which a part is asked for.
func (v Version) want(s span) http.Header {
	return http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", s.From, s.To-1)}, "If-Range": {v.validator()}}
}

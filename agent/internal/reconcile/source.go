package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// source is a published path that this node serves in place.
type source struct {
	*storage.Source
	path      string
	checking  bool
	nextCheck time.Time // zero is now: what changed while the agent was down
}

// errReadOnly is what a transfer hears that would write into a published path.
var errReadOnly = errors.New("a published source is never written")

// WriteSpan makes source a swarmapi.Content.
func (s *source) WriteSpan(int, []byte) error { return errReadOnly }

// AddSource makes this node serve the artifact from the path where it was
// published, now and after a restart. m must be signed. It waits for Run, as
// long as ctx lasts.
func (r *Reconciler) AddSource(ctx context.Context, path string, m *artifact.Manifest) error {
	s, err := r.cfg.Storage.OpenSource(path, m)
	if err != nil {
		return err
	}
	if !s.Have().Full() { // it was published before and touched since
		if _, err := s.Check(ctx, false); err != nil {
			return err
		}
	}
	if err := r.registerSource(ctx, &source{Source: s, path: path, nextCheck: r.cfg.Now().Add(r.cfg.CheckInterval)}); err != nil {
		return fmt.Errorf("serve %s: %w", path, err)
	}
	// Not before: the manifest of what nothing is known about may be deleted.
	return r.cfg.Storage.SaveManifest(m)
}

func (r *Reconciler) registerSource(ctx context.Context, s *source) error {
	reply := make(chan error, 1)
	r.mail.put(addSource{s, reply})
	select {
	case err := <-reply:
		return err
	case <-r.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

type addSource struct {
	source *source
	reply  chan<- error
}

func (e addSource) apply(r *Reconciler) {
	d := e.source.Manifest().Digest()
	if before := r.sources[d]; before != nil && before.path != e.source.path {
		r.forgetSource(d)
	}
	r.dropSource(d)
	r.sources[d], r.published[d] = e.source, e.source.path
	r.noteOf(d).renew()
	e.reply <- r.savePublished()
}

// RemoveSource ends serving a published path. The files stay.
func (r *Reconciler) RemoveSource(d artifact.Digest) { r.mail.put(removeSource{d}) }

type removeSource struct{ digest artifact.Digest }

func (e removeSource) apply(r *Reconciler) {
	r.forgetSource(e.digest)
	delete(r.published, e.digest)
	delete(r.notes, e.digest) // the store forgets it with the seed
	if err := r.savePublished(); err != nil {
		r.log.Error("source is not forgotten", "digest", e.digest, "error", err)
	}
	r.dropManifest(e.digest.String())
}

// dropSource stops serving a source.
func (r *Reconciler) dropSource(d artifact.Digest) {
	s := r.sources[d]
	if s == nil {
		return
	}
	if t := r.transfers[d]; t != nil && t.content == swarmapi.Content(s) {
		r.leave(d)
	}
	delete(r.sources, d)
	r.closeSource(s)
}

// forgetSource stops serving a source and forgets how its files looked.
func (r *Reconciler) forgetSource(d artifact.Digest) {
	s := r.sources[d]
	if s == nil {
		return
	}
	r.dropSource(d)
	if err := s.Forget(); err != nil {
		r.log.Warn("source is not forgotten", "path", s.path, "error", err)
	}
}

func (r *Reconciler) closeSource(s *source) {
	if err := s.Close(); err != nil {
		r.log.Warn("source is not closed cleanly", "path", s.path, "error", err)
	}
}

func (r *Reconciler) savePublished() error {
	list := make([]sourceRecord, 0, len(r.published))
	for d, path := range r.published {
		list = append(list, sourceRecord{d, path})
	}
	slices.SortFunc(list, func(a, b sourceRecord) int { return compareDigests(a.Digest, b.Digest) })
	return r.state.saveSources(list)
}

// openSources opens, away from the loop, the published sources that are not
// open: all after a restart, then those that failed, as a source may be on a
// filesystem that is mounted later.
func (r *Reconciler) openSources() {
	for d, path := range r.published {
		if r.sources[d] != nil || r.opening[d] {
			continue
		}
		r.opening[d] = true
		r.workers.Go(func() {
			s, err := r.openSource(d, path)
			r.mail.put(sourceOpened{d, path, s, err})
		})
	}
}

func (r *Reconciler) openSource(d artifact.Digest, path string) (*source, error) {
	m, err := r.cfg.Storage.Manifest(d)
	if err != nil {
		return nil, err
	}
	s, err := r.cfg.Storage.OpenSource(path, m)
	if err != nil {
		return nil, err
	}
	return &source{Source: s, path: path}, nil
}

type sourceOpened struct {
	digest artifact.Digest
	path   string
	source *source
	err    error
}

func (e sourceOpened) apply(r *Reconciler) {
	delete(r.opening, e.digest)
	switch {
	case e.err != nil:
		r.log.Warn("published source is not served", "digest", e.digest, "path", e.path, "error", e.err)
		r.noteOf(e.digest).failed = e.err
	case r.published[e.digest] != e.path || r.sources[e.digest] != nil:
		r.closeSource(e.source) // it was replaced or removed meanwhile
		r.dropManifest(e.digest.String())
	default:
		r.sources[e.digest] = e.source
		r.noteOf(e.digest).failed = nil
	}
}

// checkSources looks, away from the loop, for changes of the published paths
// that are due.
func (r *Reconciler) checkSources(ctx context.Context) {
	for _, s := range r.sources {
		if s.checking || s.nextCheck.After(r.cfg.Now()) {
			continue
		}
		s.checking = true
		r.workers.Go(func() {
			began := time.Now()
			drift, err := s.Check(ctx, false)
			r.mail.put(sourceChecked{s, drift, time.Since(began), err})
		})
	}
}

type sourceChecked struct {
	source *source
	drift  storage.Drift
	took   time.Duration
	err    error
}

// apply only logs and notes: what left the source's Have is withdrawn by
// withdrawLost.
func (e sourceChecked) apply(r *Reconciler) {
	e.source.checking = false
	e.source.nextCheck = r.cfg.Now().Add(max(r.cfg.CheckInterval, scanFactor*e.took))
	if errors.Is(e.err, context.Canceled) {
		return
	}
	if d := e.source.Manifest().Digest(); r.sources[d] == e.source {
		r.noteOf(d).failed = e.err
	}
	if e.err != nil {
		r.log.Warn("published source cannot be checked", "path", e.source.path, "error", e.err)
	}
	if n := len(e.drift.Missing) + len(e.drift.Changed); n > 0 {
		r.log.Warn("published source was changed in place; publish it again", "path", e.source.path,
			"missing", some(e.drift.Missing), "changed", some(e.drift.Changed))
	}
}

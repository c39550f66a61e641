package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// progressInterval is the least time between two reports of one phase.
const progressInterval = 200 * time.Millisecond

// repair fetches again what is missing of the content that stands.
func (w *worker) repair(ctx context.Context, out *outcome) error {
	m, err := w.manifest(ctx)
	if err != nil {
		return err
	}
	p := w.placement
	if p == nil {
		if p, err = w.open(&w.wanted, m); err != nil {
			return err
		}
		out.opened = p
	}
	err = w.onDisk(ctx, func() error {
		w.progress(api.PhaseReusing, 0, 0)
		_, err := look(ctx, p, false)
		return err
	})
	if err != nil {
		return err
	}
	return w.complete(ctx, p, m, func(ctx context.Context) error {
		if err := w.beginSwitch(ctx); err != nil {
			return err
		}
		return p.Install(ctx)
	})
}

// installTries is how often a task installs: what was staged may be gone or
// changed when its last span comes, and then the disk is looked at once more.
const installTries = 2

// complete brings a prepared placement to staged or installed.
func (w *worker) complete(ctx context.Context, p *storage.Placement, m *artifact.Manifest, install func(context.Context) error) error {
	for try := 1; ; try++ {
		if !p.Have().Full() {
			if err := w.fetch(ctx, p, m); err != nil {
				return err
			}
		}
		w.progress(api.PhaseInstalling, int64(m.Size()), int64(m.Size()))
		err := w.onDisk(ctx, func() error { return install(ctx) })
		if err == nil || try == installTries || !outdated(p, err) {
			return err
		}
		if err := w.reuse(ctx, p); err != nil {
			return err
		}
	}
}

// outdated reports whether an installation failed as the disk does not hold what
// the placement remembers, so that it has to be prepared again.
func outdated(p *storage.Placement, err error) bool {
	return errors.Is(err, storage.ErrNotPrepared) || errors.Is(err, storage.ErrChanged) || !p.Have().Full()
}

// reuse takes what is on this node's disk already.
func (w *worker) reuse(ctx context.Context, p *storage.Placement) error {
	return w.onDisk(ctx, func() error {
		w.progress(api.PhaseReusing, 0, int64(p.Manifest().Size()))
		said := time.Now()
		return p.Prepare(ctx, func(done, total int64) {
			if now := time.Now(); now.Sub(said) >= progressInterval {
				said = now
				w.progress(api.PhaseReusing, done, total)
			}
		})
	})
}

// fetch waits until peers have given what is missing.
func (w *worker) fetch(ctx context.Context, p *storage.Placement, m *artifact.Manifest) error {
	reply := make(chan error, 1)
	w.progress(api.PhaseFetching, bytesOf(m, p.Have()), int64(m.Size()))
	w.send(fetchSpans{w, m, p, reply})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-reply:
		return err
	}
}

// manifest returns the artifact's manifest, from this node's disk or from peers.
// It has the wanted digest and a trusted publisher's signature.
func (w *worker) manifest(ctx context.Context) (*artifact.Manifest, error) {
	d, _ := needs(w.task)
	m, err := w.storage.Manifest(d)
	if err == nil && m.Verify(w.trust) == nil {
		return m, nil
	}
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	w.progress(api.PhaseManifest, 0, 0)
	reply := make(chan *artifact.Manifest, 1)
	w.send(fetchManifest{w, d, reply})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case m := <-reply:
		return w.accept(d, m)
	}
}

// accept checks a manifest that came from a peer, and keeps it.
func (w *worker) accept(d artifact.Digest, m *artifact.Manifest) (*artifact.Manifest, error) {
	if m.Digest() != d {
		return nil, fmt.Errorf("manifest of %s from a peer: it is that of %s", d, m.Digest())
	}
	m = endorse(m, w.record, w.trust)
	if err := m.Verify(w.trust); err != nil {
		return nil, untrusted(d, err.Error(),
			"add the publisher's public key to trust in the agent's configuration, or publish with a trusted key")
	}
	return m, w.storage.SaveManifest(m)
}

func isNotFound(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == api.CodeNotFound
}

// bytesOf is how many bytes a set of spans has.
func bytesOf(m *artifact.Manifest, have artifact.Bitset) int64 {
	n := int64(0)
	lengths := m.SpanLengths()
	for i := have.NextSet(0); i >= 0; i = have.NextSet(i + 1) {
		n += int64(lengths[i])
	}
	return n
}

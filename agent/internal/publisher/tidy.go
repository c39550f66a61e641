package publisher

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
)

const (
	// tidyInterval is how often copies are compared with the records.
	tidyInterval = time.Minute
	tidyTimeout  = 30 * time.Second
	// downloadLife is how long what has arrived of a download is kept for another
	// try.
	downloadLife = 7 * 24 * time.Hour
	// storeName, beside a copy, is the identity of the store that recorded it.
	storeName = "store"
)

// Run deletes, until ctx ends, copies of artifacts that were deleted through other
// agents, and what has arrived of downloads that were given up.
func (p *Publisher) Run(ctx context.Context) {
	tick := time.NewTicker(tidyInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.Tidy(ctx); err != nil {
			p.cfg.Logger.Debug("copies are left as they are", "error", err)
		}
	}
}

// Tidy deletes what has arrived of downloads that nobody went on with for
// downloadLife. It unpublishes copies, streamed or downloaded, of artifacts that
// the store no longer has a record of. It must be the store that had one: a store
// that does not answer, that lost its data or that is another one deletes nothing.
// Content that is served in place is never touched.
func (p *Publisher) Tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	if _, err := p.tidyDownloads(downloadLife, false); err != nil {
		return err
	}
	id, err := p.cfg.Store.Identity(ctx)
	if err != nil {
		return err
	}
	copies, err := p.kept.list()
	if err != nil {
		return err
	}
	for _, d := range copies {
		if err := p.tidyOne(ctx, d, id); err != nil {
			return err
		}
	}
	return nil
}

// tidyOne looks at the record while nobody publishes.
func (p *Publisher) tidyOne(ctx context.Context, d artifact.Digest, id string) error {
	p.commit.Lock()
	defer p.commit.Unlock()
	if needless, err := p.needless(ctx, d, id); err != nil || !needless {
		return err
	}
	p.cfg.Sources.RemoveSource(d)
	if err := p.kept.remove(d); err != nil {
		return err
	}
	p.account(p.kept.path(d))
	p.cfg.Logger.Info("copy deleted with its artifact", "digest", d)
	return nil
}

// noteStore remembers which store records the copy in dir. Without the note the
// copy stays when its artifact is deleted through another agent.
func (p *Publisher) noteStore(ctx context.Context, dir string) {
	id, err := p.cfg.Store.Identity(ctx)
	if err == nil {
		err = noteStore(dir, id)
	}
	if err != nil {
		p.cfg.Logger.Warn("the store of a copy is not noted", "dir", dir, "error", err)
	}
}

// noteStore writes the note, if there is a copy. An empty id stands for a store
// that is not known.
func noteStore(dir, id string) error {
	err := os.WriteFile(filepath.Join(dir, storeName), []byte(id), 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note the store of the copy in %s: %w", dir, err)
	}
	return nil
}

// recordedBy returns "" if it is not known.
func (k *keeper) recordedBy(d artifact.Digest) string {
	id, err := os.ReadFile(filepath.Join(k.path(d), storeName))
	if err != nil {
		return ""
	}
	return string(id)
}

// list returns the artifacts of which there are copies.
func (k *keeper) list() ([]artifact.Digest, error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, keepError(k.dir, err)
	}
	var all []artifact.Digest
	for _, e := range entries {
		if b, err := hex.DecodeString(e.Name()); err == nil && len(b) == len(artifact.Digest{}) {
			all = append(all, artifact.Digest(b))
		}
	}
	return all, nil
}

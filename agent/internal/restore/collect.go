package restore

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// collectGrace is how long a capture must lie until it is taken for left behind.
const collectGrace = time.Hour

const (
	besidePrefix  = ".rackswarm."
	captureSuffix = "+capture"
)

// Collect removes, or lists if dry is true, the captures of this node beside its
// databases whose runs are over or gone while the node has lost its journal of
// them. Nothing goes unless the store answers. What a run staged on a member is
// never collected: after an exchange it is the old database.
func (w *Worker) Collect(ctx context.Context, dry bool) (items []api.CollectedItem, err error) {
	parents := map[string]bool{}
	for _, instance := range w.cfg.Databases {
		parents[filepath.Dir(filepath.Clean(instance.Data))] = true
	}
	for _, parent := range slices.Sorted(maps.Keys(parents)) {
		more, err := w.collectIn(ctx, parent, dry)
		if items = append(items, more...); err != nil {
			return items, err
		}
	}
	return items, nil
}

func (w *Worker) collectIn(ctx context.Context, path string, dry bool) (items []api.CollectedItem, err error) {
	parent, err := os.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no database stands there yet
	}
	if err != nil {
		return nil, diskError("open", path, err)
	}
	defer parent.Close()
	names, err := parent.Readdirnames(-1)
	if err != nil {
		return nil, diskError("read", path, err)
	}
	slices.Sort(names)
	for _, name := range names {
		run, ours := strings.CutPrefix(name, besidePrefix)
		run, captured := strings.CutSuffix(run, captureSuffix)
		if !ours || !captured {
			continue
		}
		bytes, needless, err := w.needless(ctx, parent, name, run)
		if err != nil {
			return items, err
		}
		if !needless {
			continue
		}
		if err := w.dropLeft(ctx, parent, name, dry); err != nil {
			w.cfg.Logger.Warn("a capture that nothing needs is not removed", "path", filepath.Join(path, name), "error", err)
			continue
		}
		items = append(items, api.CollectedItem{Path: filepath.Join(path, name), Bytes: bytes, Reason: "capture of a run that is over"})
	}
	return items, nil
}

// needless reports whether a capture is whole, by its manifest this node's, of no
// part here, and of a run that is not under way.
func (w *Worker) needless(ctx context.Context, parent *os.File, name, run string) (bytes int64, needless bool, err error) {
	st, err := lstat(parent, name)
	if err != nil || w.cfg.Now().Sub(time.Unix(st.Mtim.Unix())) < collectGrace {
		return 0, false, nil
	}
	dir, err := openDir(parent, name)
	if err != nil {
		return 0, false, nil
	}
	defer dir.Close()
	m, err := readManifest(dir)
	if err != nil || m.Node != w.cfg.Self || m.Run != run {
		return 0, false, nil
	}
	if p, _ := w.part(run); p != nil {
		return 0, false, nil
	}
	if _, err := os.Stat(w.notes.path(run)); !errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	r, err := w.cfg.Store.Run(ctx, run)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, false, err
	}
	return m.Content.DataBytes, err != nil || r.Phase.Finished(), nil
}

// dropLeft withdraws and removes a capture.
func (w *Worker) dropLeft(ctx context.Context, parent *os.File, name string, dry bool) error {
	if dry {
		return nil
	}
	digests, err := w.published(ctx, filepath.Join(parent.Name(), name))
	if err != nil {
		return err
	}
	for _, digest := range digests {
		if err := w.withdraw(ctx, digest); err != nil {
			return err
		}
	}
	return removeTree(parent, name)
}

package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// ownerName, in a staging directory, holds what tells agents apart that share a
// root: a number, which the state directory holds under the same name, and the
// node's name, as machines made from one image begin with copies of one state.
const ownerName = "owner"

// openOwner reads the number, which is drawn once for a state directory.
func (m *Manager) openOwner(node string) error {
	number, err := m.placements.ReadFile(ownerName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(number) == 0 {
		number = []byte(rand.Text())
		if err := atomicfile.WriteIn(m.placements, ownerName, number); err != nil {
			m.log.Warn("what this run leaves behind will not be collected by a later one", "error", err)
		}
	}
	m.owner = string(number) + "@" + node
	return nil
}

// mark says in a staging directory whose it is. Where that fails, as on a full
// disk, from which something is to be removed, the directory is never collected.
func (m *Manager) mark(dir *os.Root) {
	if b, err := dir.ReadFile(ownerName); err == nil && string(b) == m.owner {
		return
	}
	if err := dir.WriteFile(ownerName, []byte(m.owner), 0o600); err != nil {
		m.log.Debug("staging directory not marked", "path", dir.Name(), "error", err)
	}
}

// Needed is what must stay when the rest is collected. Placements that the state
// directory knows, and manifests of what they hold, always do.
type Needed struct {
	IDs     map[string]bool          // of placements
	Paths   []string                 // of destinations: beside them is looked
	Digests map[artifact.Digest]bool // of manifests
	// Before bounds what is collected to what was not touched since: a task may
	// just begin.
	Before time.Time
}

// Collect deletes what this agent left beside destinations and in its state
// directory and nothing needs, or only lists it if dry is true. What cannot be
// deleted is left, and is no error.
func (m *Manager) Collect(ctx context.Context, n Needed, dry bool) ([]api.CollectedItem, error) {
	items, err := m.collectStagings(ctx, n, dry)
	if err != nil {
		return items, userError("collect in", m.placements.Name(), err)
	}
	more, err := m.collectManifests(n, dry)
	return append(items, more...), userError("collect in", m.manifests.Name(), err)
}

// ours are the names of staging directories that belong to placements, and the
// destinations of those that are open.
func (m *Manager) ours(n Needed) (names map[string]bool, paths []string) {
	names = map[string]bool{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.placed {
		names[stagingPrefix+safeName(id)] = true
	}
	for id, c := range m.claims {
		names[stagingPrefix+safeName(id)] = true
		paths = append(paths, c.path)
	}
	for id := range n.IDs {
		names[stagingPrefix+safeName(id)] = true
	}
	return names, paths
}

// sweep looks for staging directories of no placement.
type sweep struct {
	*Manager
	names  map[string]bool // of those that belong to placements
	before time.Time
	dry    bool
	seen   map[string]bool // directories, by path
	items  []api.CollectedItem
}

func (m *Manager) collectStagings(ctx context.Context, n Needed, dry bool) ([]api.CollectedItem, error) {
	names, paths := m.ours(n)
	s := &sweep{m, names, n.Before, dry, map[string]bool{}, nil}
	for _, r := range m.roots {
		if err := s.in(ctx, r.dir, r.path); err != nil {
			return s.items, err
		}
	}
	for _, path := range slices.Concat(paths, n.Paths) {
		if err := s.beside(ctx, path); err != nil {
			return s.items, err
		}
	}
	return s.items, nil
}

// beside looks into the directory of a destination, if it may still be one.
func (s *sweep) beside(ctx context.Context, path string) error {
	dest, err := s.resolve(path)
	if err != nil {
		return nil // not allowed any more
	}
	parent, err := s.openParent(dest, false)
	if err != nil {
		return nil // not there
	}
	defer parent.Close()
	return s.in(ctx, parent, filepath.Dir(path))
}

// in looks into a directory. It fails only when ctx ends.
func (s *sweep) in(ctx context.Context, dir *os.Root, path string) error {
	if s.seen[path] {
		return nil
	}
	s.seen[path] = true
	entries, err := listNames(dir)
	if err != nil {
		return nil // it is not readable, or gone
	}
	for _, name := range entries {
		base := strings.TrimSuffix(strings.TrimSuffix(name, mendSuffix), keptDirSuffix)
		if !strings.HasPrefix(name, stagingPrefix) || s.names[base] {
			continue
		}
		item, err := s.collectStaging(ctx, dir, name, s.before, s.dry)
		if err != nil {
			s.log.Warn("a staging directory of no distribution is not deleted", "path", filepath.Join(path, name), "error", err)
		}
		if item != nil {
			item.Path = filepath.Join(path, name)
			s.items = append(s.items, *item)
		}
	}
	return ctx.Err()
}

// collectStaging returns nil if the directory is in use, another agent's, or was
// touched too lately.
func (m *Manager) collectStaging(ctx context.Context, parent *os.Root, name string, before time.Time, dry bool) (*api.CollectedItem, error) {
	s, err := openStaging(parent, name, false)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, errNotOurs) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	owner, err := s.dir.ReadFile(ownerName)
	if err != nil || string(owner) != m.owner {
		return nil, nil
	}
	if info, err := s.dir.Stat("."); err != nil || info.ModTime().After(before) {
		return nil, err
	}
	item := &api.CollectedItem{Reason: "staging of no distribution"}
	err = walk(ctx, s.dir, func(_ *os.Root, _ string, info fs.FileInfo) error {
		if info.Mode().IsRegular() {
			item.Bytes += info.Size()
		}
		return nil
	})
	if err == nil && !dry {
		err = s.remove(ctx)
	}
	if err != nil {
		return nil, err
	}
	return item, nil
}

// placedDigests are the artifacts that the state directory has placements of.
func (m *Manager) placedDigests() map[artifact.Digest]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	digests := map[artifact.Digest]bool{}
	for _, info := range m.placed {
		digests[info.Digest] = true
	}
	return digests
}

func (m *Manager) collectManifests(n Needed, dry bool) ([]api.CollectedItem, error) {
	needed := m.placedDigests()
	entries, err := fs.ReadDir(m.manifests.FS(), ".")
	if err != nil {
		return nil, err
	}
	var items []api.CollectedItem
	for _, e := range entries {
		text, ok := strings.CutSuffix(e.Name(), ".torrent")
		b, err := hex.DecodeString(text)
		if !ok || err != nil || len(b) != len(artifact.Digest{}) || needed[artifact.Digest(b)] || n.Digests[artifact.Digest(b)] {
			continue
		}
		info, err := e.Info()
		if err != nil || info.ModTime().After(n.Before) {
			continue
		}
		if !dry {
			if err := m.DropManifest(artifact.Digest(b)); err != nil {
				return items, fmt.Errorf("manifest %s: %w", e.Name(), err)
			}
		}
		items = append(items, api.CollectedItem{Path: filepath.Join(m.manifests.Name(), e.Name()), Bytes: info.Size(), Reason: "manifest of nothing that is here"})
	}
	return items, nil
}

// DropKept deletes the version that stands by if it is the one named, and reports
// whether it did. It may have become another one, which is needed, since somebody
// decided.
func (p *Placement) DropKept(ctx context.Context, d artifact.Digest) (bool, error) {
	p.op.Lock()
	defer p.op.Unlock()
	if p.parent == nil {
		return false, nil
	}
	s, err := openStaging(p.parent, p.keptName(), false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, errNotOurs) {
		return false, nil
	}
	if err != nil {
		return false, userError("drop the version kept beside", p.dest.path, err)
	}
	defer s.close()
	if x := p.readKept(); x == nil || *x.Digest != d { // nobody changes it while s is locked
		return false, nil
	}
	err = s.remove(ctx)
	return err == nil, userError("drop the version kept beside", p.dest.path, err)
}

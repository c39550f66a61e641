package storage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
	"github.com/rackswarm/rackswarm/core/paths"
)

// Options say where a Manager works.
type Options struct {
	Roots    []string // absolute; destinations must lie inside one of them
	StateDir string   // absolute; created with mode 0700 if it is missing
	Node     string   // the node's name, which no other agent with access to the roots has
	Logger   *slog.Logger
}

// Manager knows the placements of an agent. It is safe for concurrent use.
type Manager struct {
	roots                         []root
	manifests, placements, source *os.Root // directories in the state directory
	log                           *slog.Logger
	boot                          bootID
	owner                         string // see ownerName
	fds                           *fdCache
	saving                        sync.Mutex // held while the stamps of a source are written

	mu sync.Mutex
	// placed are the placements by id that are in the state directory, without
	// their stamps. claims are the destinations of these and of the open
	// placements. Both guarded by mu.
	placed map[string]PlacementInfo
	claims map[string]claim
}

// claim is a destination that belongs to a placement.
type claim struct {
	path string // as it was given
	real string // without symbolic links
}

// PlacementInfo is one line of Placements.
type PlacementInfo struct {
	ID        string
	Path      string
	Digest    artifact.Digest // of what stands there, otherwise of what is being staged
	Installed bool            // something of ours stands there
}

// New checks the roots, creates the state directory and reads which placements
// there are. Its errors are *api.Error.
func New(o Options) (*Manager, error) {
	m := &Manager{
		log: o.Logger, fds: newFDCache(maxOpen()),
		placed: map[string]PlacementInfo{}, claims: map[string]claim{},
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	for _, path := range o.Roots {
		r, err := newRoot(path)
		if err != nil {
			return nil, err
		}
		m.roots = append(m.roots, r)
	}
	if err := m.openState(o.StateDir, o.Node); err != nil {
		return nil, userError("open the state directory", o.StateDir, err)
	}
	return m, m.load()
}

func (m *Manager) openState(dir, node string) error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	m.boot = parseBootID(string(boot))
	for name, root := range map[string]**os.Root{"manifests": &m.manifests, "placements": &m.placements, "sources": &m.source} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if *root, err = os.OpenRoot(path); err != nil {
			return err
		}
	}
	return m.openOwner(node)
}

// parseBootID reads a UUID.
func parseBootID(s string) bootID {
	var b bootID
	digits := strings.ReplaceAll(strings.TrimSpace(s), "-", "")
	_, _ = hex.Decode(b[:], []byte(digits[:min(len(digits), 2*len(b))]))
	return b
}

// load reads the indexes. One that cannot be used is left out: its placement's
// content is then hashed when it is opened.
func (m *Manager) load() error {
	entries, err := fs.ReadDir(m.placements.FS(), ".")
	if err != nil {
		return userError("read the placements in", m.placements.Name(), err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != indexSuffix {
			continue
		}
		x, err := readIndex(m.placements, e.Name())
		if err != nil {
			m.log.Warn("placement index ignored", "file", e.Name(), "error", err)
			continue
		}
		m.placed[x.ID] = x.info()
		m.claims[x.ID] = claim{x.Path, realPath(x.Path)}
	}
	return nil
}

// Placements lists what the state directory knows, sorted by id: what stands
// installed and what is being staged.
func (m *Manager) Placements() ([]PlacementInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]PlacementInfo, 0, len(m.placed))
	for _, id := range slices.Sorted(maps.Keys(m.placed)) {
		list = append(list, m.placed[id])
	}
	return list, nil
}

// Claimed returns the placement, if any, whose destination is path, lies in it
// or contains it. Symbolic links on the way are followed for the comparison.
func (m *Manager) Claimed(path string) (id string, ok bool) {
	return m.claimed(path, "")
}

// claimed leaves out the placement except.
func (m *Manager) claimed(path, except string) (id string, ok bool) {
	real := realPath(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.claims)) {
		c := m.claims[id]
		if id != except && paths.Overlap(c.real, real) {
			return id, true
		}
	}
	return "", false
}

// claim takes a destination for a placement, or fails with a conflict.
func (m *Manager) claim(id, path string) error {
	if other, taken := m.claimed(path, id); taken {
		return &api.Error{Code: api.CodeConflict, Subject: path,
			Message: fmt.Sprintf("the path is, contains or lies in the destination of distribution %q", other),
			Fix:     "choose a path of its own, or remove that distribution first"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, has := m.claims[id]; has && c.path != path {
		return &api.Error{Code: api.CodeConflict, Subject: path,
			Message: fmt.Sprintf("distribution %q has content at %s", id, c.path),
			Fix:     "remove or release that content first"}
	}
	m.claims[id] = claim{path, realPath(path)}
	return nil
}

// unclaim gives a destination up unless the state directory knows of it.
func (m *Manager) unclaim(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, placed := m.placed[id]; !placed {
		delete(m.claims, id)
	}
}

const indexSuffix = ".json"

// readPlacement returns the index of a placement, nil if there is none that
// can be used.
func (m *Manager) readPlacement(id string) *index {
	x, err := readIndex(m.placements, safeName(id)+indexSuffix)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.log.Warn("placement index ignored", "distribution", id, "error", err)
		}
		return nil
	}
	return x
}

func (m *Manager) writePlacement(x *index) error { return m.writeEncoded(x, x.encode()) }

// writeEncoded is writePlacement for an index that is encoded already.
func (m *Manager) writeEncoded(x *index, encoded []byte) error {
	if err := atomicfile.WriteIn(m.placements, safeName(x.ID)+indexSuffix, encoded); err != nil {
		return fmt.Errorf("write the placement's index: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.placed[x.ID] = x.info()
	return nil
}

func (m *Manager) forgetPlacement(id string) error {
	err := m.placements.Remove(safeName(id) + indexSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the placement's index: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.placed, id)
	return syncDir(m.placements)
}

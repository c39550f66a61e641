package artifact

import (
	"errors"
	"fmt"
	"sort"
)

// checkDirs checks that the directories are in order, each below another, and
// there once. Only a tree has any.
func (m *Manifest) checkDirs() error {
	if m.kind == KindTree && (len(m.dirs) == 0 || m.dirs[0].Path != "") {
		return errors.New("the top directory is not listed")
	}
	for i, d := range m.dirs {
		if err := checkMode(d.Mode); err != nil {
			return fmt.Errorf("directory %q: %w", d.Path, err)
		}
		if i == 0 {
			continue
		}
		if comparePaths(m.dirs[i-1].Path, d.Path) >= 0 {
			return fmt.Errorf("directory %q is listed twice or out of order", d.Path)
		}
		if err := m.checkPlace(d.Path); err != nil {
			return fmt.Errorf("directory: %w", err)
		}
	}
	return nil
}

func (m *Manifest) checkLinks() error {
	for i, l := range m.links {
		if i > 0 && comparePaths(m.links[i-1].Path, l.Path) >= 0 {
			return fmt.Errorf("link %q is listed twice or out of order", l.Path)
		}
		if err := m.checkPlace(l.Path); err != nil {
			return fmt.Errorf("link: %w", err)
		}
		if m.isDir(l.Path) {
			return fmt.Errorf("link %q is a directory too", l.Path)
		}
		if err := checkTarget(l.Target); err != nil {
			return fmt.Errorf("link %q: %w", l.Path, err)
		}
	}
	return nil
}

// checkFile checks one file against the directories and links. The walk has
// checked its path.
func (m *Manifest) checkFile(f *File) error {
	if err := checkMode(f.Mode); err != nil {
		return fmt.Errorf("file %q: %w", f.Path, err)
	}
	if m.isDir(f.Path) || m.isLink(f.Path) {
		return fmt.Errorf("file %q is a directory or link too", f.Path)
	}
	return nil
}

// checkKind checks that a single file stands alone and under its own name.
func (m *Manifest) checkKind() error {
	if m.kind == KindTree {
		return nil
	}
	if len(m.dirs)+len(m.links) > 0 || len(m.files) != 1 || m.files[0].Path != m.name {
		return fmt.Errorf("a file artifact must have one file, named %q, and nothing else", m.name)
	}
	return nil
}

func (m *Manifest) checkPlace(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if up := parent(path); !m.isDir(up) {
		return fmt.Errorf("%q: its directory %q is not listed", path, up)
	}
	return nil
}

func (m *Manifest) requireDir(path []byte) error {
	if !m.isDir(string(path)) {
		return fmt.Errorf("directory %q is not listed", path)
	}
	return nil
}

func (m *Manifest) isDir(path string) bool {
	_, ok := sort.Find(len(m.dirs), func(i int) int { return comparePaths(path, m.dirs[i].Path) })
	return ok
}

func (m *Manifest) isLink(path string) bool {
	_, ok := sort.Find(len(m.links), func(i int) int { return comparePaths(path, m.links[i].Path) })
	return ok
}

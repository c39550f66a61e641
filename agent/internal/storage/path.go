package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/paths"
)

// root is a directory that destinations may lie in.
type root struct {
	path string // as configured, clean
	real string // without symbolic links
	dir  *os.Root
}

func newRoot(path string) (root, error) {
	if !filepath.IsAbs(path) {
		return root{}, &api.Error{Code: api.CodeInvalid, Subject: path, Message: "an allowed root must be an absolute path", Fix: "write for example /srv"}
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return root{}, &api.Error{Code: api.CodeInvalid, Subject: path, Message: "the allowed root does not exist", Fix: "create the directory or take it out of roots"}
	}
	if err != nil {
		return root{}, userError("resolve the allowed root", path, err)
	}
	dir, err := os.OpenRoot(real)
	if err != nil {
		return root{}, userError("open the allowed root", path, err)
	}
	return root{filepath.Clean(path), real, dir}, nil
}

const (
	stagingPrefix = ".rackswarm-"
	keptSuffix    = ".before-rackswarm"
)

// destination is where a placement's content stands: base in the directory
// parent below the root.
type destination struct {
	path   string // as it was given
	root   root
	parent string // relative to the root, "." for the root itself
	base   string
}

// resolve checks a destination by its text alone.
func (m *Manager) resolve(path string) (destination, error) {
	clean := filepath.Clean(path)
	r, rel, inside := m.rootOf(clean)
	switch {
	case !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || !utf8.ValidString(path):
		return destination{}, &api.Error{Code: api.CodeInvalid, Subject: path, Message: "the destination must be an absolute path in UTF-8", Fix: "write for example /srv/content"}
	case !inside:
		return destination{}, m.outside(path, "the destination is not inside an allowed root")
	case clean != path:
		return destination{}, &api.Error{Code: api.CodeInvalid, Subject: path, Message: "the destination is not written in its shortest form", Fix: "write " + clean}
	case rel == ".":
		return destination{}, m.outside(path, "the destination is an allowed root itself")
	}
	for element := range strings.SplitSeq(rel, "/") {
		if strings.HasPrefix(element, stagingPrefix) {
			return destination{}, &api.Error{Code: api.CodeInvalid, Subject: path, Message: fmt.Sprintf("%q is the name of a staging directory", element), Fix: "choose a name that does not begin with " + stagingPrefix}
		}
	}
	return destination{path, r, filepath.Dir(rel), filepath.Base(rel)}, nil
}

// rootOf finds the innermost root that contains a clean path.
func (m *Manager) rootOf(path string) (best root, rel string, ok bool) {
	for _, r := range m.roots {
		for _, top := range []string{r.path, r.real} {
			if paths.Contains(top, path) && (!ok || len(r.real) > len(best.real)) {
				best, ok = r, true
				rel, _ = filepath.Rel(top, path)
			}
		}
	}
	return best, rel, ok
}

func (m *Manager) outside(path, message string) error {
	names := make([]string, len(m.roots))
	for i, r := range m.roots {
		names[i] = r.path
	}
	list := strings.Join(names, ", ")
	return &api.Error{Code: api.CodeOutsideRoots, Subject: path,
		Message: fmt.Sprintf("%s; allowed: %s", message, list),
		Fix:     "choose a path below " + list + ", or add a root to the agent's configuration"}
}

// realPath resolves the symbolic links of the part of path that exists, the
// last element excepted.
func realPath(path string) string {
	dir, rest := filepath.Dir(path), filepath.Base(path)
	for {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if dir == "/" || dir == "." {
			return path
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
}

// openParent opens the directory of the destination. It returns an error that
// wraps fs.ErrNotExist if it is missing and create is false.
func (m *Manager) openParent(d destination, create bool) (*os.Root, error) {
	if create {
		if err := makeParents(d.root.dir, d.parent); err != nil {
			return nil, m.parentError(d, err)
		}
	}
	dir, err := d.root.dir.OpenRoot(d.parent)
	if err != nil {
		return nil, m.parentError(d, err)
	}
	return dir, nil
}

func (m *Manager) parentError(d destination, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case escapes(err):
		return m.outside(d.path, "a symbolic link on the way leads out of the allowed root "+d.root.path)
	}
	return userError("open the directory of", d.path, err)
}

// makeParents creates what is missing of a directory, with mode 0755 whatever
// the umask is.
func makeParents(r *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	if _, err := r.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeParents(r, filepath.Dir(dir)); err != nil {
		return err
	}
	if err := r.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return r.Chmod(dir, 0o755)
}

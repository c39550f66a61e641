package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// Names in a staging directory.
const (
	stagedTree = "tree"
	stagedFile = "file"
	intentName = "index"
	shelfName  = "prev"
	rubbish    = "old-"
)

// staging is a placement's locked staging directory.
type staging struct {
	parent  *os.Root // of the directory; not owned
	name    string
	dir     *os.Root
	lock    *os.File
	content *content // what is staged; nil until stage was called
	rec     *record  // nil while a tree is being repaired
}

// openStaging opens and locks a staging directory. It returns an error that
// wraps fs.ErrNotExist if there is none and create is false.
func openStaging(parent *os.Root, name string, create bool) (*staging, error) {
	for {
		lock, err := openDir(parent, name, create)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			lock.Close()
			return nil, lockError(parent, name, err)
		}
		dir, same, err := reopen(parent, name, lock)
		if err == nil && same {
			return &staging{parent: parent, name: name, dir: dir, lock: lock}, nil
		}
		lock.Close()
		if err != nil {
			return nil, err
		}
	}
}

func lockError(parent *os.Root, name string, err error) error {
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return &api.Error{Code: api.CodeConflict, Subject: parent.Name() + "/" + name,
		Message: "another process, or another placement of this one, is working in the staging directory",
		Fix:     "stop the other agent, or wait until it is done"}
}

func openDir(parent *os.Root, name string, create bool) (*os.File, error) {
	if info, err := parent.Lstat(name); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("staging directory %s: %w", name, unix.ENOTDIR)
	}
	f, err := parent.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if !create || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := parent.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return parent.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

// reopen opens the directory once more and reports whether it is still the one
// that was locked: its last owner may have removed it in between.
func reopen(parent *os.Root, name string, lock *os.File) (dir *os.Root, same bool, err error) {
	dir, err = parent.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	locked, err := lock.Stat()
	if err == nil {
		var opened fs.FileInfo
		if opened, err = dir.Stat("."); err == nil && os.SameFile(locked, opened) {
			return dir, true, nil
		}
	}
	dir.Close()
	return nil, false, err
}

// stagedName is the name of what is staged.
func stagedName(k artifact.Kind) string {
	if k == artifact.KindTree {
		return stagedTree
	}
	return stagedFile
}

// stage makes room for mf's content, or opens what is staged of it, and
// returns the inode of its top.
func (s *staging) stage(mf *artifact.Manifest, fds *fdCache) (top uint64, err error) {
	if s.content, err = openStaged(s.dir, mf, fds); err != nil {
		return 0, err
	}
	info, err := s.dir.Lstat(stagedName(mf.Kind()))
	if err != nil {
		return 0, err
	}
	return inode(info), nil
}

// openStaged opens a staged tree or file in dir, creating it empty.
func openStaged(dir *os.Root, mf *artifact.Manifest, fds *fdCache) (*content, error) {
	name := stagedName(mf.Kind())
	if mf.Kind() == artifact.KindTree {
		if err := dir.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		root, err := dir.OpenRoot(name)
		if err != nil {
			return nil, err
		}
		return newContent(mf, root, "", fds), nil
	}
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	root, err := dir.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	return newContent(mf, root, name, fds), nil
}

// discard makes name in the directory from rubbish. What is not there is no
// error.
func (s *staging) discard(from *os.Root, name string) error {
	for n := 0; ; n++ {
		err := rename(from, name, s.dir, fmt.Sprintf("%s%d", rubbish, n), unix.RENAME_NOREPLACE)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// collect deletes rubbish.
func (s *staging) collect(ctx context.Context) error {
	names, err := listNames(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, rubbish) {
			if err := removeAll(ctx, s.dir, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes the whole staging directory and closes it. It may be called
// again after an error, or by another process after a crash.
func (s *staging) remove(ctx context.Context) error {
	s.closeStaged()
	names, err := listNames(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != intentName { // it goes last: with it a swap can be finished
			if err := removeAll(ctx, s.dir, name); err != nil {
				return err
			}
		}
	}
	if err := removeAll(ctx, s.dir, intentName); err != nil {
		return err
	}
	err = s.parent.Remove(s.name)
	s.close()
	return err
}

// closeStaged closes the files of what is staged.
func (s *staging) closeStaged() {
	s.content.close()
	s.rec.close()
	s.content, s.rec = nil, nil
}

// close gives up the lock and leaves everything where it is.
func (s *staging) close() {
	if s == nil {
		return
	}
	s.closeStaged()
	s.dir.Close()
	s.lock.Close()
}

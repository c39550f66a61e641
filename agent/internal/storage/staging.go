package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

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

// openStaging opens and locks the placement's staging directory. It returns an
// error that wraps fs.ErrNotExist if there is none and create is false, or
// unix.EWOULDBLOCK if somebody else holds it.
func (p *Placement) openStaging(create bool) (*staging, error) {
	return p.openStagingNamed(p.stagingName(), create)
}

func (p *Placement) openStagingNamed(name string, create bool) (*staging, error) {
	s, err := openStaging(p.parent, name, create)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, &failure{p.stagingError(name, "another process, or another placement of this one, is working in the staging directory", "stop the other agent, or wait until it is done"), err}
	} else if errors.Is(err, errNotOurs) {
		return nil, p.stagingError(name, "the staging directory is not one that this agent made", "remove it")
	}
	if err == nil && create {
		p.m.mark(s.dir)
	}
	return s, err
}

func (p *Placement) stagingError(name, message, fix string) *api.Error {
	return &api.Error{Code: api.CodeConflict, Subject: path.Join(path.Dir(p.dest.path), name), Message: message, Fix: fix}
}

// mendSuffix ends the name of the staging directory for what is missing of
// content that stands. It is another one than that for whole content, so that
// what stands is repaired while another version is staged.
const mendSuffix = "+mend"

func (p *Placement) wholeName() string { return stagingPrefix + safeName(p.req.ID) }
func (p *Placement) mendName() string  { return p.wholeName() + mendSuffix }

func (p *Placement) stagingName() string {
	if p.mending {
		return p.mendName()
	}
	return p.wholeName()
}

var errNotOurs = errors.New("not a directory of this agent's user")

func openStaging(parent *os.Root, name string, create bool) (*staging, error) {
	for {
		lock, err := openDir(parent, name, create)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			lock.Close()
			return nil, fmt.Errorf("lock: %w", err)
		}
		dir, same, err := reopen(parent, name, lock)
		if err == nil && same {
			return &staging{parent: parent, name: name, dir: dir, lock: lock}, nil
		}
		unlock(lock)
		if err != nil {
			return nil, err
		}
	}
}

// unlock ends the lock and closes the file. Closing alone is not enough: a child
// that was forked just now shares the open file until it executes.
func unlock(lock *os.File) {
	_ = unix.Flock(int(lock.Fd()), unix.LOCK_UN)
	lock.Close()
}

func openDir(parent *os.Root, name string, create bool) (*os.File, error) {
	if info, err := parent.Lstat(name); err == nil && !private(info) {
		return nil, errNotOurs
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
// that was locked: its last owner may have removed it in between, and whoever may
// write to the parent may have put something else there, such as a link.
func reopen(parent *os.Root, name string, lock *os.File) (dir *os.Root, same bool, err error) {
	dir, err = parent.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	same, err = isLocked(parent, name, dir, lock)
	if err != nil || !same {
		dir.Close()
		return nil, false, err
	}
	return dir, true, nil
}

// isLocked reports whether the name, itself and opened as dir, is the directory
// that was locked. It returns errNotOurs if others can change what is in that.
func isLocked(parent *os.Root, name string, dir *os.Root, lock *os.File) (bool, error) {
	locked, err := lock.Stat()
	if err != nil {
		return false, err
	}
	if !private(locked) {
		return false, errNotOurs
	}
	named, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	opened, err := dir.Stat(".")
	return err == nil && os.SameFile(locked, named) && os.SameFile(locked, opened), err
}

// private reports whether nobody but the agent can change what is in a
// directory.
func private(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && st.Uid == uint32(os.Geteuid()) && info.Mode().Perm()&0o077 == 0
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
	if err := s.discardUnsuited(mf.Kind()); err != nil {
		return 0, err
	}
	if s.content, err = openStaged(s.dir, mf, fds); err != nil {
		return 0, err
	}
	info, err := s.dir.Lstat(stagedName(mf.Kind()))
	if err != nil {
		return 0, err
	}
	return inode(info), nil
}

// discardUnsuited takes away what cannot be staged content of a kind. A file
// with another name elsewhere is not ours to write to.
func (s *staging) discardUnsuited(k artifact.Kind) error {
	info, err := s.dir.Lstat(stagedName(k))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if k == artifact.KindTree && info.IsDir() || k == artifact.KindFile && onlyName(info) {
		return nil
	}
	return s.discard(s.dir, stagedName(k))
}

// onlyName reports whether it is a regular file that has no second name.
func onlyName(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && st.Nlink == 1
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
	unlock(s.lock)
}

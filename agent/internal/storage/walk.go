package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// listNames returns the names in a directory.
func listNames(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// errSkip, returned by the function given to walk, keeps it out of a directory.
var errSkip = errors.New("skip this directory")

// walk calls fn for everything below dir, directories before what is in them,
// and follows no symbolic link. rel is the path below the top, and
// path.Base(rel) is the name in parent. fn may remove what it is called for,
// and then returns errSkip.
func walk(ctx context.Context, dir *os.Root, fn func(parent *os.Root, rel string, info fs.FileInfo) error) error {
	return walkDir(ctx, dir, "", fn)
}

func walkDir(ctx context.Context, dir *os.Root, at string, fn func(*os.Root, string, fs.FileInfo) error) error {
	names, err := listNames(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := dir.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		rel := path.Join(at, name)
		switch err := fn(dir, rel, info); {
		case errors.Is(err, errSkip):
		case err != nil:
			return err
		case info.IsDir():
			if err := walkSub(ctx, dir, name, rel, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

func walkSub(ctx context.Context, dir *os.Root, name, rel string, fn func(*os.Root, string, fs.FileInfo) error) error {
	sub, err := dir.OpenRoot(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	return walkDir(ctx, sub, rel, fn)
}

// removeAll deletes name in parent with everything below it. What is not there
// is no error. It enters no other mount.
func removeAll(ctx context.Context, parent *os.Root, name string) error {
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return parent.Remove(name)
	}
	on, err := mountOf(parent)
	if err != nil {
		return err
	}
	return removeDir(ctx, parent, name, on)
}

func removeDir(ctx context.Context, parent *os.Root, name string, on mount) error {
	dir, err := openForRemoval(parent, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if m, err := mountOf(dir); err != nil {
		return err
	} else if m != on {
		return &fs.PathError{Op: "remove", Path: name, Err: unix.EBUSY}
	}
	names, err := listNames(dir)
	if err != nil {
		return err
	}
	for _, sub := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := removeEntry(ctx, dir, sub, on); err != nil {
			return err
		}
	}
	return parent.Remove(name)
}

func removeEntry(ctx context.Context, dir *os.Root, name string, on mount) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return removeDir(ctx, dir, name, on)
	}
	return dir.Remove(name)
}

// openForRemoval opens a directory, whose mode may deny that to an agent that
// is not root.
func openForRemoval(parent *os.Root, name string) (*os.Root, error) {
	if os.Geteuid() != 0 {
		if err := parent.Chmod(name, 0o700); err != nil {
			return nil, err
		}
	}
	return parent.OpenRoot(name)
}

// mount tells mounts apart, bind mounts of one filesystem too where the kernel
// says so (Linux 5.8), and one that was mounted again (Linux 6.8).
type mount struct {
	id           uint64
	major, minor uint32
}

func mountOf(dir *os.Root) (m mount, err error) {
	err = withDir(dir, ".", func(fd int) error {
		var st unix.Statx_t
		if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID|unix.STATX_MNT_ID_UNIQUE, &st); err != nil {
			return fmt.Errorf("statx: %w", err)
		}
		m = mount{st.Mnt_id, st.Dev_major, st.Dev_minor}
		return nil
	})
	return m, err
}

// setAside renames what is in the way, name in parent, to the first free of
// to.before-rackswarm, to.before-rackswarm-1 and so on in the directory dest.
func setAside(parent *os.Root, name string, dest *os.Root, to string) (kept string, err error) {
	for n := 0; ; n++ {
		kept = to + keptSuffix
		if n > 0 {
			kept = fmt.Sprintf("%s-%d", kept, n)
		}
		if err = rename(parent, name, dest, kept, unix.RENAME_NOREPLACE); !errors.Is(err, fs.ErrExist) {
			return kept, err
		}
	}
}

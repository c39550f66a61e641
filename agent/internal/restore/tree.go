package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
)

// openDir opens the directory name in the open directory dir, and follows no
// symbolic link.
func openDir(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name)), nil
}

// openParent opens the directory that holds a data directory.
func openParent(data string) (*os.File, error) {
	return os.OpenFile(filepath.Dir(data), os.O_RDONLY|unix.O_DIRECTORY, 0)
}

// procPath leads to an open directory, whatever stands under its name by now.
func procPath(dir *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", dir.Fd()) }

// lstat is what stands under a name in an open directory; fs.ErrNotExist if
// nothing does.
func lstat(dir *os.File, name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		err = &fs.PathError{Op: "lstat", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	return st, err
}

// owner is to whom files belong.
type owner struct{ uid, gid uint32 }

func ownerOf(st unix.Stat_t) owner { return owner{st.Uid, st.Gid} }

// give makes everything in an open directory, and the directory itself, o's, and
// refuses what no copy of a database has: special files, and files with other
// names elsewhere, which may not be o's to have. It follows no symbolic link and
// fails soon after ctx has ended.
func give(ctx context.Context, dir *os.File, o owner) error {
	if err := giveOne(dir, o); err != nil {
		return err
	}
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := giveEntry(ctx, dir, name, o); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return diskError("read", dir.Name(), err)
		}
	}
}

func giveEntry(ctx context.Context, dir *os.File, name string, o owner) error {
	path := filepath.Join(dir.Name(), name)
	st, err := lstat(dir, name)
	if err != nil {
		return diskError("look at", path, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		below, err := openDir(dir, name)
		if err != nil {
			return diskError("open", path, err)
		}
		defer below.Close()
		return give(ctx, below, o)
	case unix.S_IFREG, unix.S_IFLNK:
		if st.Nlink == 1 && ownerOf(st) == o {
			return nil
		}
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return diskError("open", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return giveOne(f, o)
}

// giveOne looks again at what is open: it may have been exchanged meanwhile.
func giveOne(f *os.File, o owner) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return diskError("look at", f.Name(), err)
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && (kind != unix.S_IFREG && kind != unix.S_IFLNK || st.Nlink != 1) {
		return &api.Error{Code: api.CodeForeignContent, Subject: f.Name(), Message: "it is a special file, or has another name elsewhere: no copy of a database has such",
			Fix: "look who may write there beside the agent, and start the run again"}
	}
	if ownerOf(st) == o {
		return nil
	}
	err := unix.Fchownat(int(f.Fd()), "", int(o.uid), int(o.gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW)
	return diskError(fmt.Sprintf("give to %d:%d", o.uid, o.gid), f.Name(), err)
}

// removeTree deletes what stands under a name in an open directory, with all that
// is in it. It follows no symbolic link. Nothing there is no error. A tree in
// which something is mounted is left alone.
func removeTree(dir *os.File, name string) error {
	path := filepath.Join(dir.Name(), name)
	on, below, err := mountsIn(path)
	if err != nil {
		return err
	}
	if on || len(below) > 0 {
		return &api.Error{Code: api.CodeIO, Subject: path, Message: "not removed, as a filesystem is mounted there", Fix: "unmount it"}
	}
	root, err := os.OpenRoot(procPath(dir))
	if err != nil {
		return diskError("open", dir.Name(), err)
	}
	defer root.Close()
	if err := root.RemoveAll(name); err != nil {
		return diskError("remove", path, err)
	}
	return diskError("sync", dir.Name(), dir.Sync())
}

// removeBeside removes the tree at a path beside a data directory. That the
// directory which would hold both is missing is no error.
func removeBeside(data, path string) error {
	parent, err := openParent(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return diskError("open", filepath.Dir(data), err)
	}
	defer parent.Close()
	return removeTree(parent, filepath.Base(path))
}

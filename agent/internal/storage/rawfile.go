package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// rawFile is a descriptor of a regular file. It costs one system call to open
// and one to close, where an os.File takes four more to find out whether it can
// be polled. It must not be used after close.
type rawFile int

func (f rawFile) close() error { return ignoringEINTR(func() error { return unix.Close(int(f)) }) }

func (f rawFile) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := ignoringEINTR(func() error { return unix.Fstat(int(f), &st) })
	return st, err
}

func (f rawFile) truncate(length int64) error {
	return ignoringEINTR(func() error { return unix.Ftruncate(int(f), length) })
}

// readAt fills buf, or fails with io.EOF.
func (f rawFile) readAt(buf []byte, off int64) error {
	for len(buf) > 0 {
		n, err := unix.Pread(int(f), buf, off)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		default:
			buf, off = buf[n:], off+int64(n)
		}
	}
	return nil
}

func (f rawFile) writeAt(buf []byte, off int64) error {
	for len(buf) > 0 {
		n, err := unix.Pwrite(int(f), buf, off)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		default:
			buf, off = buf[n:], off+int64(n)
		}
	}
	return nil
}

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// opener opens files below a directory. It is shared by copies of a content.
type opener struct {
	mu   sync.Mutex
	root *os.Root // that dir was opened of
	dir  *os.File // nil until it is needed
	// inMemory says that the files have no other place than the page cache.
	inMemory atomic.Bool
	lost     atomic.Pointer[error] // why the disk did not take what was written
}

func (o *opener) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dir != nil {
		o.dir.Close()
		o.dir = nil
	}
}

// top returns root as a directory whose descriptor can be used.
func (o *opener) top(root *os.Root) (*os.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dir != nil && o.root == root {
		return o.dir, nil
	}
	dir, err := root.OpenFile(".", os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if o.dir != nil {
		o.dir.Close()
	}
	var fs unix.Statfs_t
	err = unix.Fstatfs(int(dir.Fd()), &fs)
	o.root, o.dir = root, dir
	o.inMemory.Store(err == nil && (fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC))
	return dir, nil
}

// open opens a file below root, whatever its depth in one system call. No
// symbolic link leads out of root, and the file itself is none.
func (o *opener) open(root *os.Root, path string, flags int, perm uint32) (rawFile, error) {
	dir, err := o.top(root)
	if err != nil {
		return -1, err
	}
	conn, err := dir.SyscallConn()
	if err != nil {
		return -1, err
	}
	flags |= unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOFOLLOW
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_BENEATH}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(perm)
	}
	fd := -1
	closed := conn.Control(func(at uintptr) { // dir is not closed meanwhile
		err = ignoringEINTR(func() (err error) {
			fd, err = unix.Openat2(int(at), path, &how)
			return err
		})
	})
	switch {
	case closed != nil:
		return -1, closed
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EXDEV):
		return openThroughRoot(root, path, flags, perm)
	case err != nil:
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return rawFile(fd), nil
}

// openThroughRoot is for kernels before 5.6, for sandboxes that do not know
// openat2, and for links that lead out, which os.Root explains.
func openThroughRoot(root *os.Root, path string, flags int, perm uint32) (rawFile, error) {
	f, err := root.OpenFile(path, flags, os.FileMode(perm&0o777))
	if err != nil {
		return -1, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return rawFile(fd), err
}

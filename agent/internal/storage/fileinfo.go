package storage

import (
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fileInfo is what one system call says of a file. Where os.FileInfo costs three
// allocations, many of these are made at once.
type fileInfo struct {
	name string
	st   syscall.Stat_t // as os.FileInfo has it
}

var _ fs.FileInfo = (*fileInfo)(nil)

// look fills the info with what stands as name in an open directory; a symbolic
// link is not followed.
func (f *fileInfo) look(dir rawFile, name string) error {
	var st unix.Stat_t
	err := ignoringEINTR(func() error { return unix.Fstatat(int(dir), name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	f.name = name
	f.st = syscall.Stat_t{
		Dev: st.Dev, Ino: st.Ino, Nlink: st.Nlink, Mode: st.Mode, Uid: st.Uid, Gid: st.Gid, Rdev: st.Rdev, Size: st.Size,
		Blksize: st.Blksize, Blocks: st.Blocks, Atim: syscall.Timespec(st.Atim), Mtim: syscall.Timespec(st.Mtim), Ctim: syscall.Timespec(st.Ctim),
	}
	return err
}

func (f *fileInfo) Name() string       { return f.name }
func (f *fileInfo) Size() int64        { return f.st.Size }
func (f *fileInfo) ModTime() time.Time { return time.Unix(f.st.Mtim.Unix()) }
func (f *fileInfo) IsDir() bool        { return f.Mode().IsDir() }
func (f *fileInfo) Sys() any           { return &f.st }

// Mode has the type and the 12 bits of the mode. Types other than a regular file,
// a directory and a symbolic link are fs.ModeIrregular.
func (f *fileInfo) Mode() fs.FileMode {
	mode := fileMode(f.st.Mode & 0o7777)
	switch f.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return mode
	case unix.S_IFDIR:
		return mode | fs.ModeDir
	case unix.S_IFLNK:
		return mode | fs.ModeSymlink
	}
	return mode | fs.ModeIrregular
}

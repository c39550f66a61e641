package storage

import (
	"context"
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/pause"
)

// stamp is what a file's inode said when the file was known to be right. The
// same stamp later means the same content; a different one means that the
// content has to be hashed. Device numbers are left out, as they change with
// reboots. The zero stamp matches no file.
type stamp struct {
	Size  int64  `json:"s"`
	Mtime int64  `json:"m"` // ns since 1970
	Ctime int64  `json:"c"` // ns since 1970
	Ino   uint64 `json:"i"`
}

func stampOf(info fs.FileInfo) stamp {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return stamp{}
	}
	return stamp{Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Ino: st.Ino}
}

func rawStamp(st *unix.Stat_t) stamp {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return stamp{}
	}
	return stamp{Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Ino: st.Ino}
}

// moved reports whether t may be s after the file was renamed, which changes
// nothing but its ctime.
func (s stamp) moved(t stamp) bool {
	t.Ctime = s.Ctime
	return s == t
}

func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// tick is longer than the coarsest step of the clock that filesystems stamp
// files with (10 ms at 100 Hz).
const tick = 20 * time.Millisecond

// settle waits until a change of a file that last changed at ctime is sure to
// give it another stamp: two changes within one tick of the clock look alike.
func settle(ctx context.Context, ctime int64) error {
	wait := tick - time.Since(time.Unix(0, ctime))
	if wait <= 0 {
		return nil
	}
	return pause.For(ctx, min(wait, tick))
}

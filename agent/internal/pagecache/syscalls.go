package pagecache

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// What golang.org/x/sys has no names for: mincore(2) and ioprio_set(2).
const (
	whoProcess = 1
	bestEffort = 2
	classShift = 13
	lowest     = bestEffort<<classShift | 7
)

func mincore(m, in []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&in[0])))
	return failed(errno)
}

// ioprioGet and ioprioSet are about the calling thread.
func ioprioGet() (uintptr, error) {
	p, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, whoProcess, 0, 0)
	return p, failed(errno)
}

func ioprioSet(p uintptr) error {
	_, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, whoProcess, 0, p)
	return failed(errno)
}

func failed(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

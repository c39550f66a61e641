package control

import (
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a unix socket, when it connected.
type peer struct {
	uid, gid uint32
	groups   []uint32 // supplementary
}

// peerOf asks the kernel (SO_PEERCRED and SO_PEERGROUPS, unix(7)).
func peerOf(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, fmt.Errorf("read peer credentials: %w", err)
	}
	var p peer
	var opErr error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, opErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); opErr == nil {
			p.uid, p.gid = cred.Uid, cred.Gid
			p.groups, opErr = peerGroups(fd)
		}
	})
	if err == nil {
		err = opErr
	}
	if err != nil {
		return peer{}, fmt.Errorf("read peer credentials: %w", err)
	}
	return p, nil
}

// maxGroups is NGROUPS_MAX of Linux.
const maxGroups = 65536

func peerGroups(fd uintptr) ([]uint32, error) {
	for n := 64; n <= maxGroups; n *= 4 {
		groups := make([]uint32, n)
		size := uint32(n * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // x/sys has no wrapper for it
		switch errno {
		case 0:
			return groups[:size/4], nil
		case unix.ERANGE:
			continue
		case unix.ENOPROTOOPT: // before Linux 4.13
			return nil, nil
		}
		return nil, errno
	}
	return nil, unix.ERANGE
}

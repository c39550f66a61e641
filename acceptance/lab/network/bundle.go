package network

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of ethtool that switch off the bundling of packets: segmentation by the
// card, or late by the kernel, and merging of what was received.
const (
	setTSO = 0x1f
	setGSO = 0x24
	setGRO = 0x2c
)

// dontBundle makes packets be on the given interfaces what they are on a wire:
// bundles would be counted as one packet. It is called on a thread in the
// interfaces' namespace.
func dontBundle(interfaces []string) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket for ethtool: %w", err)
	}
	defer unix.Close(s)
	for _, name := range interfaces {
		for _, command := range []uint32{setTSO, setGSO, setGRO} {
			if err := ethtool(s, name, command, 0); err != nil {
				return fmt.Errorf("switch off offload 0x%x of %s: %w", command, name, err)
			}
		}
	}
	return nil
}

// ethtool sets a value of an interface.
func ethtool(socket int, name string, command, value uint32) error {
	request := struct{ command, value uint32 }{command, value}
	var ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the kernel's structure is longer
	}
	copy(ifreq.name[:unix.IFNAMSIZ-1], name)
	ifreq.data = unsafe.Pointer(&request)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq)))
	if errno != 0 {
		return errno
	}
	return nil
}

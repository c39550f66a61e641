package network

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/wait"
)

// upPatience is how long the kernel may take to notice that a link has two ends. It
// looks once a second, and drops what is sent before.
const upPatience = time.Minute

// waitUp waits until an interface of a machine lets packets pass.
func (m *machine) waitUp(ctx context.Context, name string) error {
	return m.Do(func() error {
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a socket to look at interfaces: %w", err)
		}
		defer unix.Close(s)
		what := fmt.Sprintf("interface %s of %s is up", name, m.Address)
		return wait.Until(ctx, upPatience, what, func() error { return running(s, name) })
	})
}

func running(socket int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return wait.Stop{Err: err}
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return wait.Stop{Err: err}
	}
	if flags := request.Uint16(); flags&unix.IFF_RUNNING == 0 {
		return fmt.Errorf("its flags are 0x%x", flags)
	}
	return nil
}

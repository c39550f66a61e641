package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// socketMode lets the agent's user and the socket's group connect.
const socketMode = 0o660

// socket is the unix socket with the lock that says who owns its path.
type socket struct {
	*net.UnixListener
	path string
	lock *os.File
	gid  uint32 // of the socket

	closeOnce func() error
}

// listenSocket takes the path over from an agent that is dead. The lock, unlike
// the socket, ends with its process, so two agents that start at once cannot
// both find the other dead.
func listenSocket(path string) (*socket, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, socketError(path, err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, socketError(path, err)
	}
	l, gid, err := replaceSocket(path)
	if err != nil {
		lock.Close()
		return nil, socketError(path, err)
	}
	s := &socket{UnixListener: l, path: path, lock: lock, gid: gid}
	s.closeOnce = sync.OnceValue(s.release)
	return s, nil
}

// Close removes the socket and gives the path free.
func (s *socket) Close() error {
	return s.closeOnce()
}

// release unlinks the path only while the lock is still held.
func (s *socket) release() error {
	os.Remove(s.path)
	return errors.Join(s.UnixListener.Close(), syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN), s.lock.Close())
}

var errOtherAgent = errors.New("another agent runs")

func socketError(path string, err error) error {
	e := &api.Error{Code: api.CodeInvalid, Subject: path, Message: err.Error(),
		Fix: "set api.socket to a path where this user may create a socket"}
	if errors.Is(err, errOtherAgent) {
		e.Code = api.CodeConflict
		e.Fix = "stop the other agent, or give this one an api.socket of its own"
	}
	return e
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errOtherAgent
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// replaceSocket removes a socket that nobody answers on and listens there.
func replaceSocket(path string) (*net.UnixListener, uint32, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, 0, errOtherAgent
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().Type() != os.ModeSocket:
		return nil, 0, errors.New("there is something else than a socket")
	case err == nil:
		if err := os.Remove(path); err != nil {
			return nil, 0, err
		}
	}
	return listenAt(path)
}

// listenAt makes the socket under a name of its own first, so that its mode is
// right from the first moment at which others find it.
func listenAt(path string) (*net.UnixListener, uint32, error) {
	hidden := path + ".new"
	if err := os.Remove(hidden); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, 0, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, 0, err
	}
	l.SetUnlinkOnClose(false)
	gid, err := publishSocket(hidden, path)
	if err != nil {
		l.Close()
		os.Remove(hidden)
		return nil, 0, err
	}
	return l, gid, nil
}

func publishSocket(hidden, path string) (gid uint32, err error) {
	if err := os.Chmod(hidden, socketMode); err != nil {
		return 0, err
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(hidden, &st); err != nil {
		return 0, &os.PathError{Op: "lstat", Path: hidden, Err: err}
	}
	return st.Gid, os.Rename(hidden, path)
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
)

// openState creates the state directory and keeps other agents out of it for as
// long as this one lives: two would overwrite each other's records and staging.
func (d *daemon) openState(context.Context) error {
	if err := os.MkdirAll(d.cfg.StateDir, 0o700); err != nil {
		return stateError(d.cfg.StateDir, err)
	}
	if err := checkFormat(d.cfg.StateDir); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(d.cfg.StateDir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return stateError(d.cfg.StateDir, err)
	}
	d.onClose(func() {
		// A program that is just being started may still hold the descriptor.
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		file.Close()
	})
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return stateTaken(d.cfg.StateDir, file)
	}
	if err != nil {
		return stateError(d.cfg.StateDir, fmt.Errorf("lock %s: %w", file.Name(), err))
	}
	if err := noteHolder(file); err != nil {
		return stateError(d.cfg.StateDir, err)
	}
	return writeFormat(d.cfg.StateDir)
}

// noteHolder writes this process's number to the lock, for stateTaken. An agent that
// ended while the disk was full comes back without it.
func noteHolder(file *os.File) error {
	number := fmt.Appendln(nil, os.Getpid())
	_, err := file.WriteAt(number, 0) // in place: that takes no space
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Truncate(int64(len(number)))
}

// stateTaken names the process that holds the lock, which wrote its number.
func stateTaken(dir string, file *os.File) error {
	holder := "another agent"
	if pid, err := io.ReadAll(io.LimitReader(file, 32)); err == nil && len(pid) > 0 {
		holder += " (process " + strings.TrimSpace(string(pid)) + ")"
	}
	return &api.Error{Code: api.CodeConflict, Subject: "state_dir " + dir,
		Message: holder + " uses this directory",
		Fix:     "stop that agent, or give this one a state_dir of its own"}
}

func stateError(dir string, err error) error {
	e := &api.Error{Code: api.CodeIO, Subject: "state_dir " + dir, Message: err.Error(),
		Fix: "make it a directory that the agent's user may write to"}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		e.Fix = "free space or inodes on its filesystem"
	}
	return e
}

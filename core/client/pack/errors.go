package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/rackswarm/rackswarm/core/api"
)

// Unsuited returns the error for content that cannot be published as it is.
func Unsuited(path, message, fix string) *api.Error {
	return &api.Error{Code: api.CodeSourceUnsuited, Subject: path, Message: message, Fix: fix}
}

// Changed returns the error for a file that did not stay the same while it was
// read.
func Changed(path string) *api.Error {
	return Unsuited(path, "changed while it was read",
		"stop what writes to it, or publish a snapshot or copy, then publish again")
}

// becameAnother are the errors of a path that is no longer what Scan saw: a link,
// a pipe, a socket, a directory, or below something that is none.
var becameAnother = []syscall.Errno{syscall.ELOOP, syscall.ESPIPE, syscall.ENXIO, syscall.EISDIR, syscall.ENOTDIR}

// unreadable explains why a path below the source could not be read.
func unreadable(path string, err error) *api.Error {
	switch {
	case errors.Is(err, fs.ErrNotExist), slices.ContainsFunc(becameAnother, func(e syscall.Errno) bool { return errors.Is(err, e) }):
		return Changed(path)
	case errors.Is(err, fs.ErrPermission):
		return Unsuited(path, "cannot be read: permission denied", "let the user that reads it do so, or leave it out")
	case errors.Is(err, syscall.ENAMETOOLONG):
		return Unsuited(path, "the path is too long", "publish a directory further down")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return Unsuited(path, "cannot be read: too many open files", "raise the limit of open files (ulimit -n)")
	}
	return Unsuited(path, fmt.Sprintf("cannot be read: %v", cause(err)), "check the filesystem, then publish again")
}

// missing explains why the source itself cannot be looked at.
func missing(path string, err error) *api.Error {
	if errors.Is(err, fs.ErrNotExist) {
		return &api.Error{
			Code: api.CodeNotFound, Subject: path, Message: "no such file or directory",
			Fix: "check the path; it is looked up on the machine that reads it",
		}
	}
	return unreadable(path, err)
}

// special explains what a path is that cannot be published.
func special(path string, mode fs.FileMode) *api.Error {
	what := "neither a file nor a directory nor a symbolic link"
	switch {
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return Unsuited(path, "is "+what, "remove it, or publish a directory without it")
}

// cause strips operation and path, which the error's subject names already.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

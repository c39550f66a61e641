package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/rackswarm/rackswarm/core/api"
)

// ErrChanged says that a file is not what it was when it was verified. The
// error that wraps it is a *ChangedError.
var ErrChanged = errors.New("the file is not what it was when it was verified")

// ErrMissing says that a span was asked for that is not here.
var ErrMissing = errors.New("the span is not here")

// ErrNotPrepared says that Prepare has not succeeded since the placement was
// opened, or since its content was found to be gone.
var ErrNotPrepared = errors.New("the placement is not prepared")

// ChangedError names a file that changed, as a path in the artifact.
type ChangedError struct{ File string }

func (e *ChangedError) Error() string { return fmt.Sprintf("%s: %v", e.File, ErrChanged) }

// Unwrap returns ErrChanged.
func (e *ChangedError) Unwrap() error { return ErrChanged }

// BadPieceError lists the pieces of a span that do not have the hashes of the
// manifest. Nothing of the span was written.
type BadPieceError struct{ Pieces []int }

func (e *BadPieceError) Error() string {
	return fmt.Sprintf("pieces %v do not match the manifest", e.Pieces)
}

// failure is an error of the filesystem as users see it, which still wraps its
// cause.
type failure struct {
	api   *api.Error
	cause error
}

func (f *failure) Error() string   { return f.api.Error() }
func (f *failure) Unwrap() []error { return []error{f.api, f.cause} }

// userError turns what the filesystem returned while op was done on path into
// an *api.Error. Errors that are one already, that concern content or that end
// a context stay what they are, with the operation in front.
func userError(op, path string, err error) error {
	var known *api.Error
	var bad *BadPieceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.As(err, &bad), errors.Is(err, ErrChanged), errors.Is(err, ErrMissing), errors.Is(err, ErrNotPrepared),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s %s: %w", op, path, err)
	}
	code, fix := explain(err)
	return &failure{&api.Error{Code: code, Subject: path, Message: fmt.Sprintf("%s: %v", op, err), Fix: fix}, err}
}

// explain says what a user can do about an error of the filesystem.
func explain(err error) (code, fix string) {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return api.CodeNoSpace, "free space or inodes on the destination's filesystem; what is staged is kept and continued"
	case errors.Is(err, syscall.EDQUOT):
		return api.CodeNoSpace, "raise the disk quota of the agent's user; what is staged is kept and continued"
	case escapes(err):
		return api.CodeOutsideRoots, "remove the symbolic link that leads out of the allowed root, or add its target to roots"
	case errors.Is(err, syscall.EROFS):
		return api.CodeIO, "mount the filesystem read-write"
	case errors.Is(err, syscall.EIO):
		return api.CodeIO, "check the disk and the kernel's log; what is staged is verified again before it is used"
	case errors.Is(err, fs.ErrPermission):
		return api.CodeIO, "run the agent as a user who may do this, as a rule root"
	case errors.Is(err, syscall.EBUSY):
		return api.CodeIO, "something is mounted there: choose a path below or beside the mount point"
	case errors.Is(err, syscall.EXDEV), errors.Is(err, errNoExchange):
		return api.CodeIO, "use a filesystem that can exchange directories in place, such as ext4, xfs, btrfs or tmpfs"
	case errors.Is(err, syscall.ENOTDIR):
		return api.CodeIO, "a part of the path is a file: choose another path or move the file away"
	}
	return api.CodeIO, "see the kernel's log and the agent's log for the cause; the agent tries again"
}

// escapes recognises os.Root's refusal, for which os exports no value.
func escapes(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) && strings.HasSuffix(pe.Err.Error(), "path escapes from parent")
}

package restore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"syscall"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

// againError is one that another try may heal, with nobody's help.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }
func (e *againError) Unwrap() error { return e.err }

func again(err error) error { return &againError{err} }

// retryable reports whether the same operation may succeed later with nobody's
// help.
func retryable(err error) bool {
	var later *againError
	var known *api.Error
	switch {
	case errors.As(err, &later), pluginhost.Retryable(err):
		return true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return true
	}
	return errors.As(err, &known) && known.Code == api.CodeStoreDown
}

// codes are those of drivers' errors in the words of the interface.
var codes = map[string]string{
	pluginapi.CodeInvalid: api.CodeInvalid, pluginapi.CodeUnsupported: api.CodeUnsupported, pluginapi.CodeState: api.CodeState,
	pluginapi.CodeNoSpace: api.CodeNoSpace, pluginapi.CodeCorrupt: api.CodeCorrupt, pluginapi.CodeUnreachable: api.CodeUnreachable,
	pluginapi.CodeRefused: api.CodeDenied, pluginapi.CodeDriver: api.CodeDriver,
}

// asAPIError makes of any error one that says what a person can do.
func asAPIError(err error) *api.Error {
	var known *api.Error
	var driver *pluginapi.Error
	switch {
	case errors.As(err, &known):
		e := *known
		return cleanError(&e)
	case errors.As(err, &driver):
		code, ok := codes[driver.Code]
		if !ok {
			code = api.CodeInternal
		}
		return cleanError(&api.Error{Code: code, Subject: driver.Subject, Message: driver.Message, Fix: driver.Fix})
	}
	return cleanError(&api.Error{Code: api.CodeInternal, Message: err.Error(), Fix: "look at the agent's log"})
}

// removedError is of an instance that this node's configuration named when the part
// began, and does not name now.
type removedError struct{ shown *api.Error }

func (e *removedError) Error() string { return e.shown.Error() }
func (e *removedError) Unwrap() error { return e.shown }

// noDriver reports whether a driver cannot be started until a person corrects
// something: what it was to do was not tried.
func noDriver(err error) bool {
	host, ok := errors.AsType[*pluginhost.Error](err)
	return ok && (host.Reason == pluginhost.ReasonCatalog || host.Reason == pluginhost.ReasonUntrusted || host.Reason == pluginhost.ReasonIncompatible)
}

// cannotCapture is why a node without a publisher's key is no source.
func cannotCapture(node string) error {
	return &api.Error{Code: api.CodeCannotPublish, Subject: node, Message: "this agent has no publisher key, and a capture is signed before others get it",
		Fix: "set publish.key in the configuration of " + node + " to the key that 'rackswarm pki init' wrote and restart its agent, or capture on a node that has one"}
}

// diskFailure is an error of the filesystem as people see it, with its cause.
type diskFailure struct {
	shown *api.Error
	cause error
}

func (f *diskFailure) Error() string   { return f.shown.Error() }
func (f *diskFailure) Unwrap() []error { return []error{f.shown, f.cause} }

// diskError says of an error of the filesystem at path what a person can do. It
// still wraps err.
func diskError(op, path string, err error) error {
	var known *api.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	e := &api.Error{Code: api.CodeIO, Subject: path, Message: fmt.Sprintf("%s: %v", op, err), Fix: "look at the filesystem and at the permissions of the agent's user"}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Code, e.Fix = api.CodeNoSpace, "make room on its filesystem"
	case errors.Is(err, syscall.EBUSY):
		e.Code, e.Fix = api.CodeUnsupported, "a filesystem is mounted there: move the data into a directory below the mount and set 'data' to it"
	case errors.Is(err, syscall.EXDEV):
		e.Code, e.Fix = api.CodeUnsupported, "the data directory and the copy beside it are on different filesystems: mount nothing on either"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		e.Fix = "run the agent as a user who may give files to the database's user, such as root"
	}
	return &diskFailure{e, err}
}

// secrets are passwords as engines and their programs write them. Drivers are told
// to keep them to themselves; reports are read by all who may read the store.
var secrets = regexp.MustCompile(`(?i)((?:password|passwd|pwd|secret|token)['"]?\s*[=:]\s*)('[^']*'|"[^"]*"|[^\s,;&)]+)|(://[^:@/\s]*:)[^@/\s]+(@)`)

// clean takes passwords out of a text.
func clean(s string) string { return secrets.ReplaceAllString(s, "$1$3***$4") }

func cleanError(e *api.Error) *api.Error {
	e.Subject, e.Message, e.Fix = clean(e.Subject), clean(e.Message), clean(e.Fix)
	return e
}

package pluginhost

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Reason is why a driver could not do a call that has nothing to do with the
// database.
type Reason string

// The reasons. After the first three only a change by the operator helps.
const (
	ReasonCatalog      Reason = "catalog"      // the catalogue cannot be read, or lacks the driver
	ReasonUntrusted    Reason = "untrusted"    // another SHA-256, or others may change the program
	ReasonIncompatible Reason = "incompatible" // no driver, or one of another protocol
	ReasonStart        Reason = "start"        // the system could not start it
	ReasonCrashed      Reason = "crashed"      // its process ended
	ReasonHangs        Reason = "hangs"        // its process was killed, as it did not answer
	ReasonUnhealthy    Reason = "unhealthy"    // it crashed too often and is left alone for a while
	ReasonClosed       Reason = "closed"       // the agent ends
)

// Error is what went wrong with a driver or sensor, and what a person can do.
type Error struct {
	Kind    Kind   // KindDriver if empty
	Driver  string // or sensor; "" for the catalogue as a whole
	Reason  Reason
	Message string
	Fix     string
	// RetryAfter is, of ReasonUnhealthy, when the driver will be tried again, from
	// the time of the error on.
	RetryAfter time.Duration
}

// Error writes driver, message and fix in one line.
func (e *Error) Error() string { return e.asPluginError().Error() }

// Unwrap returns the same as an error of a driver, with CodeDriver.
func (e *Error) Unwrap() error { return e.asPluginError() }

func (e *Error) asPluginError() *pluginapi.Error {
	subject := "drivers"
	if e.Driver != "" {
		subject = string(cmp.Or(e.Kind, KindDriver)) + " " + e.Driver
	}
	return &pluginapi.Error{Code: pluginapi.CodeDriver, Subject: subject, Message: e.Message, Fix: e.Fix}
}

// retryable reports whether the same call may succeed later with nobody's help.
func (r Reason) retryable() bool {
	return r == ReasonStart || r == ReasonCrashed || r == ReasonHangs || r == ReasonUnhealthy
}

// Retryable reports whether the call that failed with err may be made again,
// with nobody having changed anything: the driver's process ended, or what it
// needs did not answer.
func Retryable(err error) bool {
	if host := (*Error)(nil); errors.As(err, &host) {
		return host.Reason.retryable()
	}
	own := (*pluginapi.Error)(nil)
	return errors.As(err, &own) && own.Code == pluginapi.CodeUnreachable
}

func closedError(k Kind, name string) error {
	return &Error{Kind: k, Driver: name, Reason: ReasonClosed, Message: "the agent ends"}
}

// fixedError is an error with what a person can do.
type fixedError struct{ text, fix string }

func (e *fixedError) Error() string { return e.text }

func fixf(fix, format string, args ...any) error {
	return &fixedError{text: fmt.Sprintf(format, args...), fix: fix}
}

func fixOf(err error) string {
	if fixed := (*fixedError)(nil); errors.As(err, &fixed) {
		return fixed.fix
	}
	return ""
}

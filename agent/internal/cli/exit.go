package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rackswarm/rackswarm/core/api"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitInterrupted = 130
)

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage is an error in the command line.
func usage(subject, message, fix string) error {
	return &exitError{exitUsage, &api.Error{Code: api.CodeInvalid, Subject: subject, Message: message, Fix: fix}}
}

// exit reports the error with which a command, such as "rackswarm rm", ended, if
// any, and returns the exit code.
func (r *run) exit(ctx context.Context, command string, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if e, ok := errors.AsType[*exitError](err); ok {
		code, err = e.code, e.err
	} else if !r.began {
		code = exitUsage
		err = misused(command, err.Error())
	}
	if ctx.Err() != nil {
		code = exitInterrupted
	}
	if err != nil {
		r.report(err)
	}
	return code
}

// report writes an error and what to do about it to stderr.
func (r *run) report(err error) {
	for _, e := range flatten(err) {
		if r.flags.json {
			_ = json.NewEncoder(r.Stderr).Encode(api.ErrorBody{Error: e})
			continue
		}
		text := e.Message
		if e.Subject != "" {
			text = e.Subject + ": " + e.Message
		}
		fmt.Fprintln(r.Stderr, "Error: "+clean(text))
		if e.Fix != "" {
			fmt.Fprintln(r.Stderr, "Fix: "+clean(e.Fix))
		}
	}
}

// flatten returns the errors for people that are in err: all of a joined one
// whose parts are all such errors, else the first, else err's own text.
func flatten(err error) []*api.Error {
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		var all []*api.Error
		for _, part := range joined.Unwrap() {
			if _, ok := errors.AsType[*api.Error](part); !ok {
				all = nil
				break
			}
			all = append(all, flatten(part)...)
		}
		if len(all) > 0 {
			return all
		}
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		return []*api.Error{e}
	}
	return []*api.Error{{Code: api.CodeInternal, Message: err.Error()}}
}

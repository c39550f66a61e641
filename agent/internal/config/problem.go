package config

import (
	"fmt"

	"github.com/rackswarm/rackswarm/core/api"
)

// problem is an error about a setting; where is "file:line:column", the name of
// a variable, or "" for a default.
func problem(where, key, fix, format string, args ...any) *api.Error {
	subject := key
	switch {
	case key == "":
		subject = where
	case where != "":
		subject = where + ": " + key
	}
	return &api.Error{Code: api.CodeInvalid, Subject: subject, Message: fmt.Sprintf(format, args...), Fix: fix}
}

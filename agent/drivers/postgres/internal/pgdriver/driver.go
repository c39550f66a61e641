package pgdriver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// versions of PostgreSQL that are supported: 13 brought backup manifests.
var versions = []string{"13", "14", "15", "16", "17"}

// Driver is the driver. The zero value is ready.
type Driver struct {
	Version string // of the driver
	// Patience is how long an instance has to run before a slot that somebody else
	// uses counts as taken: what used it before may not have noticed yet that its
	// connection is gone. 0 has 15 s.
	Patience time.Duration
}

var _ pluginapi.DatabaseDriver = Driver{}

func (d Driver) patience() time.Duration {
	if d.Patience == 0 {
		return 15 * time.Second
	}
	return d.Patience
}

// Describe implements pluginapi.DatabaseDriver.
func (d Driver) Describe(context.Context) (pluginapi.Description, error) {
	return pluginapi.Description{
		Name: "postgres", Engine: "PostgreSQL", Version: d.Version, Versions: versions,
		Settings: settingsHelp, Pins: true, Replicas: true,
	}, nil
}

// fault makes an error of the interface.
func fault(code, subject, fix, format string, args ...any) error {
	return &pluginapi.Error{Code: code, Subject: subject, Message: fmt.Sprintf(format, args...), Fix: fix}
}

// codeOf is the code of err, CodeInternal if it has none.
func codeOf(err error) string {
	var e *pluginapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return pluginapi.CodeInternal
}

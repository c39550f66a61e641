// Command saboteur is a driver for PostgreSQL that lets tests interfere. It hands
// every call to rackswarm-driver-postgres, which it starts as an agent would, and
// runs shell scripts of the test around it:
//
//	/run/sabotage/before-Start   before the call, which fails if the script does
//	/run/sabotage/after-Start    after a call that went well
//
// A script that prints something and then ends with an error gives that as the
// driver's error. DIR is the directory with the staged or captured files, DATA the
// data directory, and PPID the driver's process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

const (
	scripts = "/run/sabotage"
	catalog = "/etc/rackswarm/drivers.sha256"
)

func main() {
	host, err := pluginhost.New(pluginhost.Config{Catalog: catalog})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer host.Close()
	pluginapi.ServeDatabaseDriver(driver{host})
}

// driver hands calls on.
type driver struct{ host *pluginhost.Host }

var _ pluginapi.DatabaseDriver = driver{}

// around makes a call of the real driver between the scripts.
func around[T any](ctx context.Context, d driver, call, data, dir string, do func(pluginapi.DatabaseDriver) (T, error)) (result T, err error) {
	if err := script(ctx, "before-"+call, data, dir); err != nil {
		return result, err
	}
	real, err := d.host.Database(ctx, "postgres")
	if err != nil {
		return result, err
	}
	if result, err = do(real); err != nil {
		return result, err
	}
	return result, script(ctx, "after-"+call, data, dir)
}

// only is around for calls that return nothing.
func only(ctx context.Context, d driver, call, data, dir string, do func(pluginapi.DatabaseDriver) error) error {
	_, err := around(ctx, d, call, data, dir, func(real pluginapi.DatabaseDriver) (struct{}, error) { return struct{}{}, do(real) })
	return err
}

// script runs a script of the test, if there is one of this name.
func script(ctx context.Context, name, data, dir string) error {
	path := filepath.Join(scripts, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "/bin/bash", "-eu", path)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", "DATA=" + data, "DIR=" + dir}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &pluginapi.Error{Code: pluginapi.CodeInternal, Subject: name, Message: fmt.Sprintf("%v: %s", err, strings.TrimSpace(string(out)))}
}

// Describe implements pluginapi.DatabaseDriver, as do the methods below.
func (d driver) Describe(ctx context.Context) (pluginapi.Description, error) {
	about, err := around(ctx, d, "Describe", "", "", func(real pluginapi.DatabaseDriver) (pluginapi.Description, error) { return real.Describe(ctx) })
	about.Name = "saboteur"
	return about, err
}

func (d driver) Probe(ctx context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	return around(ctx, d, "Probe", t.DataDir, "", func(real pluginapi.DatabaseDriver) (pluginapi.Probe, error) { return real.Probe(ctx, t) })
}

func (d driver) Pin(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	return around(ctx, d, "Pin", t.DataDir, "", func(real pluginapi.DatabaseDriver) (pluginapi.Pin, error) { return real.Pin(ctx, t, name) })
}

func (d driver) PinStatus(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	return around(ctx, d, "PinStatus", t.DataDir, "", func(real pluginapi.DatabaseDriver) (pluginapi.Pin, error) { return real.PinStatus(ctx, t, name) })
}

func (d driver) Unpin(ctx context.Context, t pluginapi.Target, name string) error {
	return only(ctx, d, "Unpin", t.DataDir, "", func(real pluginapi.DatabaseDriver) error { return real.Unpin(ctx, t, name) })
}

func (d driver) Capture(ctx context.Context, t pluginapi.Target, c pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	return around(ctx, d, "Capture", t.DataDir, c.Dir, func(real pluginapi.DatabaseDriver) (pluginapi.Capture, error) {
		return real.Capture(ctx, t, c, progress)
	})
}

func (d driver) Verify(ctx context.Context, t pluginapi.Target, dir string, progress func(pluginapi.Progress)) error {
	return only(ctx, d, "Verify", t.DataDir, dir, func(real pluginapi.DatabaseDriver) error { return real.Verify(ctx, t, dir, progress) })
}

func (d driver) Configure(ctx context.Context, t pluginapi.Target, c pluginapi.ConfigureRequest) error {
	return only(ctx, d, "Configure", t.DataDir, c.Dir, func(real pluginapi.DatabaseDriver) error { return real.Configure(ctx, t, c) })
}

func (d driver) Start(ctx context.Context, t pluginapi.Target) error {
	return only(ctx, d, "Start", t.DataDir, "", func(real pluginapi.DatabaseDriver) error { return real.Start(ctx, t) })
}

func (d driver) Stop(ctx context.Context, t pluginapi.Target) error {
	return only(ctx, d, "Stop", t.DataDir, "", func(real pluginapi.DatabaseDriver) error { return real.Stop(ctx, t) })
}

func (d driver) Health(ctx context.Context, t pluginapi.Target, h pluginapi.HealthRequest) (pluginapi.Health, error) {
	return around(ctx, d, "Health", t.DataDir, "", func(real pluginapi.DatabaseDriver) (pluginapi.Health, error) { return real.Health(ctx, t, h) })
}

func (d driver) Cleanup(ctx context.Context, t pluginapi.Target, member string) error {
	return only(ctx, d, "Cleanup", t.DataDir, "", func(real pluginapi.DatabaseDriver) error { return real.Cleanup(ctx, t, member) })
}

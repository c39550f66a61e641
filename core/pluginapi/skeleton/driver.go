package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// sumFile is what Capture adds to the engine's files so that Verify can find
// damage. An engine with checksums of its own needs nothing of the kind.
const sumFile = "table.sha256"

// settings are those that instances may have.
var settings = []pluginapi.Setting{
	{Name: "log", Help: "file for what the server writes; /dev/null by default"},
}

// driver drives tables. It keeps nothing between calls.
type driver struct{}

var _ pluginapi.DatabaseDriver = driver{}

// Describe implements pluginapi.DatabaseDriver, as do the methods below; the
// interface's comments say what each has to keep to.
func (driver) Describe(context.Context) (pluginapi.Description, error) {
	return pluginapi.Description{
		Name: "skeleton", Engine: "Table", Version: "1.0.0", Versions: []string{"1"}, Settings: settings,
	}, nil
}

// check refuses settings that Describe does not name.
func check(t pluginapi.Target) error {
	for name := range t.Settings {
		if !slices.ContainsFunc(settings, func(s pluginapi.Setting) bool { return s.Name == name }) {
			return &pluginapi.Error{
				Code: pluginapi.CodeInvalid, Subject: "instance " + t.Name, Message: fmt.Sprintf("there is no setting %q", name),
				Fix: "the driver skeleton has the setting log",
			}
		}
	}
	return nil
}

func (driver) Probe(_ context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	if err := check(t); err != nil {
		return pluginapi.Probe{}, err
	}
	entries, err := os.ReadDir(t.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return pluginapi.Probe{Kind: pluginapi.KindAbsent}, nil
	case errors.Is(err, syscall.ENOTDIR):
		return pluginapi.Probe{Kind: pluginapi.KindForeign}, nil
	case err != nil:
		return pluginapi.Probe{}, err
	case len(entries) == 0:
		return pluginapi.Probe{Kind: pluginapi.KindEmpty}, nil
	}
	if format, err := os.ReadFile(filepath.Join(t.DataDir, formatFile)); err != nil || string(format) != formatText {
		return pluginapi.Probe{Kind: pluginapi.KindForeign}, nil //nolint:nilerr // a finding
	}
	p := pluginapi.Probe{Kind: pluginapi.KindStopped, Version: "1", ProgramVersion: "1"}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			p.Bytes += info.Size()
		}
	}
	if p.PID, err = serverPID(t.DataDir); err == nil && p.PID != 0 {
		p.Kind = pluginapi.KindPrimary
	}
	return p, err
}

// noPins is the answer of an engine that keeps no log.
func noPins() error {
	return &pluginapi.Error{Code: pluginapi.CodeUnsupported, Message: "a table has no log to keep"}
}

func (driver) Pin(context.Context, pluginapi.Target, string) (pluginapi.Pin, error) {
	return pluginapi.Pin{}, noPins()
}

func (driver) PinStatus(context.Context, pluginapi.Target, string) (pluginapi.Pin, error) {
	return pluginapi.Pin{}, noPins()
}

func (driver) Unpin(context.Context, pluginapi.Target, string) error { return nil }

func (d driver) Capture(ctx context.Context, t pluginapi.Target, c pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	p, err := d.Probe(ctx, t)
	if err != nil {
		return pluginapi.Capture{}, err
	}
	if p.Version == "" {
		return pluginapi.Capture{}, &pluginapi.Error{Code: pluginapi.CodeState, Subject: t.DataDir, Message: "there is no table"}
	}
	table, err := os.Open(filepath.Join(t.DataDir, tableFile)) // one version, whatever the server renames to it
	if err != nil {
		return pluginapi.Capture{}, err
	}
	defer table.Close()
	data, err := readAll(ctx, table, c.MaxRate, progress)
	if err != nil {
		return pluginapi.Capture{}, err
	}
	sum := sha256.Sum256(data)
	for name, content := range map[string][]byte{
		tableFile: data, formatFile: []byte(formatText), sumFile: []byte(hex.EncodeToString(sum[:]) + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), content, 0o600); err != nil {
			return pluginapi.Capture{}, err
		}
	}
	return pluginapi.Capture{Version: "1", Bytes: int64(len(data))}, nil
}

// readAll reads r at no more than rate bytes per second, 0 for any, until ctx
// ends.
func readAll(ctx context.Context, r io.Reader, rate int64, progress func(pluginapi.Progress)) ([]byte, error) {
	var data []byte
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Read(buffer)
		data = append(data, buffer[:n]...)
		progress(pluginapi.Progress{Doing: "reading " + tableFile, Done: int64(len(data))})
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		var pause time.Duration
		if rate > 0 {
			pause = time.Duration(n) * time.Second / time.Duration(rate)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (driver) Verify(_ context.Context, _ pluginapi.Target, dir string, progress func(pluginapi.Progress)) error {
	progress(pluginapi.Progress{Doing: "hashing " + tableFile})
	corrupt := func(name, message string) error {
		return &pluginapi.Error{Code: pluginapi.CodeCorrupt, Subject: filepath.Join(dir, name), Message: message, Fix: "capture again"}
	}
	if format, err := os.ReadFile(filepath.Join(dir, formatFile)); err != nil || string(format) != formatText {
		return corrupt(formatFile, "it is not that of a table")
	}
	data, err := os.ReadFile(filepath.Join(dir, tableFile))
	if err != nil {
		return corrupt(tableFile, err.Error())
	}
	want, err := os.ReadFile(filepath.Join(dir, sumFile))
	if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:])+"\n" != string(want) {
		return corrupt(tableFile, "its SHA-256 is not the one in "+sumFile)
	}
	return nil
}

func (driver) Configure(_ context.Context, t pluginapi.Target, c pluginapi.ConfigureRequest) error {
	if err := check(t); err != nil {
		return err
	}
	if c.Role != pluginapi.AsStandalone {
		return &pluginapi.Error{Code: pluginapi.CodeUnsupported, Subject: "instance " + t.Name, Message: "a table follows no other", Fix: "restore it as standalone"}
	}
	err := os.Remove(filepath.Join(c.Dir, sumFile)) // of the capture, not of the table
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d driver) Start(ctx context.Context, t pluginapi.Target) error {
	p, err := d.Probe(ctx, t)
	if err != nil || p.Kind == pluginapi.KindPrimary {
		return err
	}
	if p.Kind != pluginapi.KindStopped {
		return &pluginapi.Error{Code: pluginapi.CodeState, Subject: t.DataDir, Message: "there is no table"}
	}
	if command := t.Commands["start"]; len(command) > 0 {
		return run(ctx, command)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(logOf(t), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	server := exec.Command(self, "serve", t.DataDir) //nolint:noctx // it outlives the call
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // and the driver
	if err := server.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	return awaitStart(ctx, t, ended)
}

// awaitStart returns when the server has the lock.
func awaitStart(ctx context.Context, t pluginapi.Target, ended <-chan error) error {
	for {
		if pid, err := serverPID(t.DataDir); err != nil || pid != 0 {
			return err
		}
		select {
		case err := <-ended:
			return &pluginapi.Error{Code: pluginapi.CodeState, Subject: t.DataDir, Message: fmt.Sprintf("the server ended: %v", err), Fix: "see " + logOf(t)}
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func logOf(t pluginapi.Target) string {
	if path := t.Settings["log"]; path != "" {
		return path
	}
	return os.DevNull
}

func (d driver) Stop(ctx context.Context, t pluginapi.Target) error {
	p, err := d.Probe(ctx, t)
	if err != nil || p.Kind != pluginapi.KindPrimary {
		return err
	}
	if command := t.Commands["stop"]; len(command) > 0 {
		err = run(ctx, command)
	} else {
		err = syscall.Kill(p.PID, syscall.SIGTERM)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	for {
		if pid, err := serverPID(t.DataDir); err != nil || pid != p.PID { // it holds its lock to the last
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits a moment for what has no event.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// run runs a command of the configuration.
func run(ctx context.Context, command []string) error {
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return &pluginapi.Error{Code: pluginapi.CodeState, Subject: strings.Join(command, " "), Message: fmt.Sprintf("%v: %s", err, out)}
	}
	return nil
}

func (d driver) Health(ctx context.Context, t pluginapi.Target, h pluginapi.HealthRequest) (pluginapi.Health, error) {
	p, err := d.Probe(ctx, t)
	if err != nil {
		return pluginapi.Health{}, err
	}
	if p.Kind != pluginapi.KindPrimary {
		return pluginapi.Health{Fault: pluginapi.FaultDown, Message: "no server runs in " + t.DataDir + "; see " + logOf(t)}, nil
	}
	if h.Role == pluginapi.AsReplica {
		return pluginapi.Health{Writable: true, Fault: pluginapi.FaultWrongRole, Message: "a table follows no other; restore it as standalone"}, nil
	}
	if answer, err := ask(ctx, t.DataDir, "ping"); err != nil || answer != "pong" {
		return pluginapi.Health{Fault: pluginapi.FaultStarting, Message: fmt.Sprintf("the server does not answer: %v", err)}, nil //nolint:nilerr // a finding
	}
	return pluginapi.Health{Healthy: true, Writable: true}, nil
}

func (driver) Cleanup(context.Context, pluginapi.Target, string) error { return nil }

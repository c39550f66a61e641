package filesdriver

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/internal/proc"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// How long a program may take to show up, and to be gone, after its command ended.
const (
	startLimit = 15 * time.Second
	stopLimit  = time.Minute
	poll       = 50 * time.Millisecond
)

// running is the number of a process that runs on the directory, 0 for none: one
// that works in it, or the one that the pidfile names.
func running(t pluginapi.Target) (int, error) {
	found, err := proc.Within(t.DataDir)
	if err != nil && !errors.Is(err, proc.ErrHidden) {
		return 0, err
	}
	if leader, ok := proc.Leader(found, 0); ok {
		return leader.PID, nil
	}
	data, err := os.ReadFile(t.Settings["pidfile"])
	if errors.Is(err, fs.ErrNotExist) || t.Settings["pidfile"] == "" {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(data)))
	if err != nil || pid <= 0 {
		return 0, fault(pluginapi.CodeState, t.Settings["pidfile"], "", "it does not hold the number of a process")
	}
	if !alive(t.Settings["pidfile"], pid) {
		return 0, nil
	}
	return pid, nil
}

// alive reports whether the process stands that wrote its number into file. One
// that began after that only has the number.
func alive(file string, pid int) bool {
	began, ok := proc.Began(pid)
	if !ok {
		return false
	}
	info, err := os.Stat(file)
	const slack = 2 * time.Second // clocks that are told in ticks and seconds
	return err == nil && !began.After(info.ModTime().Add(slack))
}

// Start implements pluginapi.DatabaseDriver. Without a command there is nothing
// to start; without a pidfile the command's word is taken.
func (d Driver) Start(ctx context.Context, t pluginapi.Target) error {
	argv, err := commandOf(t, "start")
	if err != nil || argv == nil {
		return err
	}
	if pid, err := running(t); err != nil || pid != 0 {
		return err
	}
	if _, err := os.Stat(t.DataDir); err != nil {
		return fault(pluginapi.CodeState, t.DataDir, "", "there is nothing to start: %v", err)
	}
	if _, err := command.Run(ctx, command.Command{Argv: argv, Session: true}); err != nil {
		return failed(ctx, t, "start", err)
	}
	if t.Settings["pidfile"] == "" {
		return nil
	}
	switch up, err := await(ctx, startLimit, func() (bool, error) { pid, err := running(t); return pid != 0, err }); {
	case err != nil:
		return err
	case !up:
		return fault(pluginapi.CodeState, t.DataDir, "check commands.start and the setting pidfile", "%q ended well, and no process stands", strings.Join(argv, " "))
	}
	return nil
}

// Stop implements pluginapi.DatabaseDriver.
func (d Driver) Stop(ctx context.Context, t pluginapi.Target) error {
	argv, err := commandOf(t, "stop")
	if err != nil {
		return err
	}
	pid, err := running(t)
	if err != nil {
		return err
	}
	blind := t.Settings["pidfile"] == ""
	switch {
	case argv == nil && pid == 0, pid == 0 && !blind:
		return nil
	case argv == nil:
		return fault(pluginapi.CodeState, t.DataDir, "end it, or write how in commands.stop", "process %d works in the directory", pid)
	}
	if _, err := command.Run(ctx, command.Command{Argv: argv, Session: true}); err != nil {
		return failed(ctx, t, "stop", err)
	}
	switch down, err := await(ctx, stopLimit, func() (bool, error) { pid, err := running(t); return pid == 0, err }); {
	case err != nil:
		return err
	case !down:
		return fault(pluginapi.CodeState, t.DataDir, "see to the process", "process %d does not end", pid)
	}
	return nil
}

func commandOf(t pluginapi.Target, name string) ([]string, error) {
	if err := check(t); err != nil || len(t.Commands[name]) == 0 {
		return nil, err
	}
	return t.Commands[name], nil
}

func failed(ctx context.Context, t pluginapi.Target, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault(pluginapi.CodeState, t.DataDir, "see to what commands."+name+" says", "%v", err)
}

// await asks until done or the limit has passed.
func await(ctx context.Context, limit time.Duration, done func() (bool, error)) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return ok, err
		}
		select {
		case <-time.After(poll):
		case <-limited.Done():
			return false, ctx.Err()
		}
	}
}

// Health implements pluginapi.DatabaseDriver. Files without a program are healthy
// when they are there; so are those whose program cannot be told to run.
func (d Driver) Health(ctx context.Context, t pluginapi.Target, h pluginapi.HealthRequest) (pluginapi.Health, error) {
	p, err := d.Probe(ctx, t)
	if err != nil {
		return pluginapi.Health{}, err
	}
	tells := len(t.Commands["start"]) > 0 && t.Settings["pidfile"] != ""
	switch {
	case h.Role == pluginapi.AsReplica:
		return pluginapi.Health{Fault: pluginapi.FaultWrongRole, Message: t.DataDir + ": plain files follow no primary"}, nil
	case p.Kind != pluginapi.KindPrimary && p.Kind != pluginapi.KindStopped && p.Kind != pluginapi.KindEmpty:
		return pluginapi.Health{Fault: pluginapi.FaultDown, Message: t.DataDir + ": there is no such directory"}, nil
	case p.Kind != pluginapi.KindPrimary && tells:
		return pluginapi.Health{Fault: pluginapi.FaultDown, Message: t.DataDir + ": its program does not run"}, nil
	}
	return pluginapi.Health{Healthy: true, Writable: true}, nil
}

package pgdriver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/internal/proc"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Start implements pluginapi.DatabaseDriver: by the command "start", or else by
// pg_ctl, which gives the server a session of its own, so that it outlives the
// driver.
func (d Driver) Start(ctx context.Context, t pluginapi.Target) error {
	in, err := existing(t)
	if err != nil {
		return err
	}
	if pid, err := in.server(); err != nil || pid != 0 {
		return err
	}
	if err := in.safeToStart(ctx); err != nil {
		return err
	}
	if argv := in.Commands["start"]; len(argv) > 0 {
		err = errorOf(command.Run(ctx, command.Command{Argv: argv, Session: true}))
	} else {
		err = in.pgctlStart(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// A server that takes long to be ready has started; pg_ctl waits for it only
	// because it sees an early end.
	pid, look := in.server()
	switch {
	case look != nil:
		return look
	case pid != 0:
		return nil
	case err == nil:
		err = errors.New("it ended at once")
	}
	return fault(pluginapi.CodeState, in.DataDir, "see "+in.logPath(), "the server did not start: %v; its log ends with: %s", err, in.lastWords())
}

// errorOf drops what a program wrote.
func errorOf(_ string, err error) error { return err }

// safeToStart refuses data that would open for writing though they were made to
// follow: once such a server has written it cannot follow any more. Data that
// were promoted after they had run as a replica pass.
func (in *instance) safeToStart(ctx context.Context) error {
	role := pluginapi.Role(strings.TrimSpace(readText(in.DataDir, roleFile)))
	fresh := exists(in.DataDir, backupLabel) // never started since it was captured
	if fresh && role == "" {
		return fault(pluginapi.CodeState, in.DataDir, "have it configured again", "these files were captured and not made ready to run")
	}
	if role != pluginapi.AsReplica || exists(in.DataDir, standbySignal) {
		return nil
	}
	control, err := in.control(ctx, in.DataDir)
	if err != nil {
		return err
	}
	if fresh || control.Recovering() {
		return fault(pluginapi.CodeState, pathIn(in.DataDir, standbySignal), "put the empty file back, or remove "+roleFile+" if this shall become a primary",
			"it is missing from a replica, which would start as a second primary")
	}
	return nil
}

// pgctlStart starts the server and waits a while for it.
func (in *instance) pgctlStart(ctx context.Context) error {
	if err := in.prepareLog(); err != nil {
		return err
	}
	argv := []string{"pg_ctl", "start", "-D", in.DataDir, "-l", in.log, "-s", "-w", "-t", "10"}
	if in.configFile != "" {
		argv = append(argv, "-o", "-c config_file="+shellQuote(in.configFile))
	}
	return errorOf(in.run(ctx, command.Command{Argv: argv, Dir: in.DataDir}))
}

// shellQuote quotes what checkPath let pass for the shell that pg_ctl uses.
func shellQuote(path string) string { return "'" + path + "'" }

// prepareLog sets the last log aside and makes an empty one, which the server may
// write though the directory is not its owner's.
func (in *instance) prepareLog() error {
	dir, err := os.OpenRoot(filepath.Dir(in.log))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(in.log)
	if err := dir.Rename(name, name+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault(pluginapi.CodeRefused, in.log, "name a file in the setting log that can be written", "%v", err)
	}
	return errors.Join(chown(f, in.owner), f.Close())
}

// How long a server may take to end: first it is asked to end its sessions, then
// to give up at once, from which it recovers at the next start.
const (
	fastStop      = time.Minute
	immediateStop = 15 * time.Second
	stopPoll      = 50 * time.Millisecond
)

// Stop implements pluginapi.DatabaseDriver: by the command "stop", or else by a
// fast shutdown.
func (d Driver) Stop(ctx context.Context, t pluginapi.Target) error {
	in, data, err := open(t)
	if err != nil {
		return err
	}
	if !data {
		return nil
	}
	found, err := in.processes()
	if err != nil || len(found) == 0 {
		return err
	}
	if argv := in.Commands["stop"]; len(argv) > 0 {
		if _, err := command.Run(ctx, command.Command{Argv: argv, Session: true}); err != nil {
			return fault(pluginapi.CodeState, in.DataDir, "see what commands.stop says", "%v", err)
		}
	} else if err := in.signal(found, syscall.SIGINT); err != nil {
		return err
	}
	left, err := in.awaitEnd(ctx, fastStop)
	if err != nil || len(left) == 0 {
		return err
	}
	if err := in.signal(left, syscall.SIGQUIT); err != nil {
		return err
	}
	if left, err = in.awaitEnd(ctx, immediateStop); err == nil && len(left) > 0 {
		err = fault(pluginapi.CodeState, in.DataDir, "see to the process", "process %d does not end", left[0].PID)
	}
	return err
}

// signal tells the first process, or all if their first one is gone. A process
// that ended meanwhile is no error; one that got its number is not touched, as
// the handle is taken before the process is looked at again.
func (in *instance) signal(found []proc.Process, sig syscall.Signal) error {
	file, _ := in.pidFile()
	targets := found
	if leader, ok := proc.Leader(found, file.PID); ok && hasChildren(found, leader) {
		targets = []proc.Process{leader}
	}
	for _, p := range targets {
		handle, err := os.FindProcess(p.PID)
		if err != nil {
			return err
		}
		now, err := in.processes()
		if err == nil && contains(now, p) {
			err = handle.Signal(sig)
		}
		_ = handle.Release() // never fails
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return nil
}

func hasChildren(found []proc.Process, leader proc.Process) bool {
	for _, p := range found {
		if p.Parent == leader.PID {
			return true
		}
	}
	return len(found) == 1
}

func contains(found []proc.Process, p proc.Process) bool {
	for _, q := range found {
		if q.PID == p.PID {
			return true
		}
	}
	return false
}

// awaitEnd waits until no process is left, ctx ends, or limit has passed, and
// returns who is left.
func (in *instance) awaitEnd(ctx context.Context, limit time.Duration) ([]proc.Process, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		left, err := in.processes()
		if err != nil || len(left) == 0 {
			return left, err
		}
		if sleep(limited, stopPoll) != nil {
			return left, ctx.Err()
		}
	}
}

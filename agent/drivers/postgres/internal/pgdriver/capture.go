package pgdriver

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/beside"
	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Capture implements pluginapi.DatabaseDriver by pg_basebackup, which syncs what
// it wrote. The log that the files need comes over a second connection, with a
// temporary slot of its own, so that the run's pin stays where it is.
func (d Driver) Capture(ctx context.Context, t pluginapi.Target, c pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	in, err := existing(t)
	if err != nil {
		return pluginapi.Capture{}, err
	}
	if err := d.ready(ctx, in, c); err != nil {
		return pluginapi.Capture{}, err
	}
	if err := in.takeOver(c.Dir); err != nil {
		return pluginapi.Capture{}, err
	}
	conn, err := in.local()
	if err != nil {
		return pluginapi.Capture{}, asUnreachable(err, in.DataDir)
	}
	argv := []string{"pg_basebackup", "-D", c.Dir, "-d", conn.String(), "-w", "-Fp", "-X", "stream", "-c", "fast", "-P",
		"--manifest-checksums=SHA256", "-l", "rackswarm " + c.Run}
	if c.MaxRate > 0 {
		argv = append(argv, "--max-rate="+maxRate(c.MaxRate))
	}
	_, err = in.run(ctx, command.Command{Argv: argv, Said: &meter{tell: progress}})
	if err != nil {
		return pluginapi.Capture{}, asUnreachable(classify(err, in.DataDir), in.DataDir)
	}
	content, err := in.capturedContent(ctx, c.Dir)
	if err != nil || c.Pin == "" {
		return content, err
	}
	return content, d.pinHolds(ctx, t, c.Pin)
}

// ready refuses what pg_basebackup would fail at later, or do elsewhere.
func (d Driver) ready(ctx context.Context, in *instance, c pluginapi.CaptureRequest) error {
	pid, err := in.server()
	if err != nil {
		return err
	}
	if pid == 0 {
		return fault(pluginapi.CodeState, in.DataDir, "start it", "the instance does not run")
	}
	spaces, err := outside(in.DataDir)
	if err != nil {
		return err
	}
	if len(spaces) > 0 {
		return fault(pluginapi.CodeUnsupported, in.DataDir, "move what lies there into the data directory", "the database has directories elsewhere: %s", strings.Join(spaces, ", "))
	}
	if err := in.checkProgram(ctx); err != nil {
		return err
	}
	row, err := in.query(ctx, "SELECT current_setting('wal_level'), current_setting('max_wal_senders'), current_setting('max_replication_slots')")
	if err != nil {
		return asUnreachable(err, in.DataDir)
	}
	if len(row) < 3 {
		return fault(pluginapi.CodeInternal, in.DataDir, "", "unknown answer %q", row)
	}
	senders, _ := strconv.Atoi(row[1])
	slots, _ := strconv.Atoi(row[2])
	switch {
	case row[0] == "minimal":
		return fault(pluginapi.CodeState, in.DataDir, "set wal_level=replica and restart the server", "wal_level is minimal, so that it cannot be captured while it runs")
	case senders < 2:
		return fault(pluginapi.CodeState, in.DataDir, "set max_wal_senders to 2 or more and restart the server", "max_wal_senders is %d", senders)
	case slots < 1:
		return fault(pluginapi.CodeState, in.DataDir, "set max_replication_slots to 2 or more and restart the server", "max_replication_slots is 0")
	case c.Pin != "":
		return d.pinHolds(ctx, in.Target, c.Pin)
	}
	return nil
}

// pinHolds reports an error if the log that a pin should keep is gone: what was
// captured could not catch up.
func (d Driver) pinHolds(ctx context.Context, t pluginapi.Target, name string) error {
	pin, err := d.PinStatus(ctx, t, name)
	if err == nil && pin.Lost {
		err = fault(pluginapi.CodeState, "slot "+pin.ID, "raise max_slot_wal_keep_size on the primary and capture again", "the log that it kept is gone")
	}
	return err
}

// takeOver makes dir, which is empty, the owner's.
func (in *instance) takeOver(dir string) error {
	root, err := beside.Open(in.DataDir, dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fault(pluginapi.CodeState, dir, "remove what is in it", "the directory for the capture is not empty")
	}
	return errors.Join(own(root, in.owner), root.Chmod(".", 0o700))
}

// maxRate writes a rate in bytes per second as pg_basebackup takes it: kilobytes
// from 32 to 1048576.
func maxRate(perSecond int64) string {
	return strconv.FormatInt(min(max(perSecond/1024, 32), 1<<20), 10) + "k"
}

var amount = regexp.MustCompile(`^\s*(\d+)/(\d+) kB`)

// meter reads what pg_basebackup -P says and tells it on.
type meter struct {
	tell func(pluginapi.Progress)
	line []byte
}

// Write never fails.
func (m *meter) Write(p []byte) (int, error) {
	m.line = append(m.line, p...)
	for {
		i := bytes.IndexAny(m.line, "\r\n")
		if i < 0 {
			break
		}
		m.read(m.line[:i])
		m.line = m.line[i+1:]
	}
	const longest = 4096 // a line of progress is short
	if len(m.line) > longest {
		m.line = m.line[:0]
	}
	return len(p), nil
}

func (m *meter) read(line []byte) {
	found := amount.FindSubmatch(line)
	if found == nil || m.tell == nil {
		return
	}
	done, err := strconv.ParseInt(string(found[1]), 10, 53)
	if err != nil {
		return
	}
	total, err := strconv.ParseInt(string(found[2]), 10, 53)
	if err != nil {
		return
	}
	m.tell(pluginapi.Progress{Doing: "pg_basebackup", Done: done << 10, Total: total << 10})
}

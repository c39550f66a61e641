package pgdriver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Probe implements pluginapi.DatabaseDriver.
func (d Driver) Probe(ctx context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	if _, err := readSettings(t); err != nil {
		return pluginapi.Probe{}, err
	}
	p := pluginapi.Probe{Architecture: machine()}
	var err error
	if p.Kind, err = kindOf(t.DataDir); err != nil || p.Kind == pluginapi.KindForeign {
		return p, err
	}
	in, _, err := open(t)
	if err != nil {
		return p, err
	}
	p.ProgramVersion, err = in.programVersion(ctx)
	if err != nil || p.Kind != pluginapi.KindStopped {
		return p, err
	}
	return d.probeData(ctx, in, p)
}

// kindOf tells what stands at dir, KindStopped for data of PostgreSQL, running or
// not.
func kindOf(dir string) (pluginapi.Kind, error) {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return pluginapi.KindAbsent, nil
	case err != nil:
		return "", err
	case info.Mode().Type() == fs.ModeSymlink:
		return "", fault(pluginapi.CodeUnsupported, dir, "name the directory that it leads to", "the data directory is a symbolic link")
	case !info.IsDir():
		return pluginapi.KindForeign, nil
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		return "", fault(pluginapi.CodeRefused, dir, "run the agent as root or as the owner of the data", "%v", err)
	case len(entries) == 0:
		return pluginapi.KindEmpty, nil
	case !exists(dir, "PG_VERSION") || !exists(dir, "global/pg_control"):
		return pluginapi.KindForeign, nil
	}
	return pluginapi.KindStopped, nil
}

// probeData looks at data of PostgreSQL.
func (d Driver) probeData(ctx context.Context, in *instance, p pluginapi.Probe) (pluginapi.Probe, error) {
	p.Version = in.major
	control, err := in.control(ctx, in.DataDir)
	if err != nil {
		return p, err
	}
	p.ClusterID, p.Timeline = control.SystemID, control.Timeline
	if p.Bytes, err = size(in.DataDir); err != nil {
		return p, err
	}
	if p.Outside, err = outside(in.DataDir); err != nil {
		return p, err
	}
	if p.PID, err = in.server(); err != nil {
		return p, err
	}
	standby := exists(in.DataDir, standbySignal)
	if p.PID == 0 {
		p.WasReplica = standby || control.Recovering()
		return p, nil
	}
	return d.probeServer(ctx, in, p, standby || control.Recovering())
}

// probeServer looks at a running server. While it takes no connections its files
// tell what it is going to be.
func (d Driver) probeServer(ctx context.Context, in *instance, p pluginapi.Probe, standby bool) (pluginapi.Probe, error) {
	s, err := in.status(ctx)
	switch {
	case err == nil:
		standby, p.Position = s.recovering, s.at.String()
	case !errors.Is(err, errStarting):
		return p, err
	}
	p.Kind = pluginapi.KindPrimary
	if !standby {
		return p, nil
	}
	p.Kind = pluginapi.KindReplica
	const usualLag = 16 << 20
	health, err := d.health(ctx, in, pluginapi.HealthRequest{Role: pluginapi.AsReplica, MaxLag: usualLag})
	p.Health = &health
	return p, err
}

// machine is the architecture as uname tells it, such as "x86_64".
func machine() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Machine[:])
}

// capturedContent describes the captured files in dir.
func (in *instance) capturedContent(ctx context.Context, dir string) (pluginapi.Capture, error) {
	c := pluginapi.Capture{Version: in.major, Architecture: machine()}
	control, err := in.control(ctx, dir)
	if err != nil {
		return c, err
	}
	label, err := pgfiles.ParseLabel(readText(dir, backupLabel))
	if err != nil {
		return c, fault(pluginapi.CodeInternal, dir, "", "%v", err)
	}
	manifest, err := pgfiles.ParseManifest([]byte(readText(dir, "backup_manifest")))
	if err != nil {
		return c, fault(pluginapi.CodeInternal, dir, "", "%v", err)
	}
	c.ClusterID, c.Timeline = control.SystemID, manifest.Timeline
	c.Start, c.End = label.Start.String(), manifest.End.String()
	c.Bytes, err = size(dir)
	return c, err
}

// pathIn is name in dir, for messages.
func pathIn(dir, name string) string { return filepath.Join(dir, name) }

// Package filesdriver is the driver for a plain directory. What it captures are
// the files as they are; it notices when they change meanwhile, and has no other
// way to a consistent copy than that they do not.
package filesdriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/beside"
	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// format is the version of manifests, and so of captured content.
const format = "1"

// Driver is the driver.
type Driver struct {
	Version string // of the driver
}

var _ pluginapi.DatabaseDriver = Driver{}

// Describe implements pluginapi.DatabaseDriver.
func (d Driver) Describe(context.Context) (pluginapi.Description, error) {
	return pluginapi.Description{Name: "files", Engine: "files", Version: d.Version, Versions: []string{format},
		Settings: []pluginapi.Setting{
			{Name: "user", Help: "to whom restored files belong where no directory stands yet; as they come if left out"},
			{Name: "contains", Help: "name of a file that a directory has to have in it to be taken for this instance's; any is if left out"},
			{Name: "pidfile", Help: "where the program that commands.start starts writes its process number; without it a program counts as running if the directory is its working directory"},
		}}, nil
}

func fault(code, subject, fix, format string, args ...any) error {
	return &pluginapi.Error{Code: code, Subject: subject, Message: fmt.Sprintf(format, args...), Fix: fix}
}

// check refuses a target that is not configured well.
func check(t pluginapi.Target) error {
	if !filepath.IsAbs(t.DataDir) || filepath.Clean(t.DataDir) != t.DataDir {
		return fault(pluginapi.CodeInvalid, "data", "write a path from /", "%q is no plain absolute path", t.DataDir)
	}
	for name, value := range t.Settings {
		switch name {
		case "user":
			if _, err := command.LookupUser(value); err != nil {
				return fault(pluginapi.CodeInvalid, "setting user", "create the user, or name another", "%v", err)
			}
		case "contains":
			if !filepath.IsLocal(value) {
				return fault(pluginapi.CodeInvalid, "setting contains", "write a path below the directory", "%q leads elsewhere", value)
			}
		case "pidfile":
			if !filepath.IsAbs(value) {
				return fault(pluginapi.CodeInvalid, "setting pidfile", "write a path from /", "%q is not absolute", value)
			}
		default:
			return fault(pluginapi.CodeInvalid, "setting "+name, "settings are user, contains and pidfile", "there is no such setting")
		}
	}
	return nil
}

// Probe implements pluginapi.DatabaseDriver. A directory is stopped, or a primary
// while a program runs on it.
func (d Driver) Probe(_ context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	if err := check(t); err != nil {
		return pluginapi.Probe{}, err
	}
	info, err := os.Lstat(t.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return pluginapi.Probe{Kind: pluginapi.KindAbsent}, nil
	case err != nil:
		return pluginapi.Probe{}, err
	case info.Mode().Type() == fs.ModeSymlink:
		return pluginapi.Probe{}, fault(pluginapi.CodeUnsupported, t.DataDir, "name the directory that it leads to", "the data directory is a symbolic link")
	case !info.IsDir():
		return pluginapi.Probe{Kind: pluginapi.KindForeign}, nil
	}
	found, err := list(t.DataDir)
	if err != nil {
		return pluginapi.Probe{}, err
	}
	if len(found) == 0 {
		return pluginapi.Probe{Kind: pluginapi.KindEmpty}, nil
	}
	if name := t.Settings["contains"]; name != "" {
		if _, ok := found[filepath.Clean(name)]; !ok {
			return pluginapi.Probe{Kind: pluginapi.KindForeign}, nil
		}
	}
	p := pluginapi.Probe{Kind: pluginapi.KindStopped, Version: format, ProgramVersion: format, Bytes: sum(found)}
	if p.PID, err = running(t); p.PID != 0 {
		p.Kind = pluginapi.KindPrimary
	}
	return p, err
}

// Pin implements pluginapi.DatabaseDriver: there is no log to keep.
func (d Driver) Pin(_ context.Context, t pluginapi.Target, _ string) (pluginapi.Pin, error) {
	return pluginapi.Pin{}, fault(pluginapi.CodeUnsupported, t.DataDir, "", "plain files have no log to keep")
}

// PinStatus implements pluginapi.DatabaseDriver.
func (d Driver) PinStatus(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	return d.Pin(ctx, t, name)
}

// Unpin implements pluginapi.DatabaseDriver.
func (d Driver) Unpin(context.Context, pluginapi.Target, string) error { return nil }

// Cleanup implements pluginapi.DatabaseDriver: nothing was left elsewhere.
func (d Driver) Cleanup(context.Context, pluginapi.Target, string) error { return nil }

// Configure implements pluginapi.DatabaseDriver: it gives the files to whom the
// present ones belong.
func (d Driver) Configure(ctx context.Context, t pluginapi.Target, c pluginapi.ConfigureRequest) error {
	if err := check(t); err != nil {
		return err
	}
	if c.Role != pluginapi.AsStandalone {
		return fault(pluginapi.CodeUnsupported, t.DataDir, "restore it as standalone", "plain files follow no primary")
	}
	if _, err := readManifest(c.Dir); err != nil {
		return err
	}
	var owner *command.User
	var err error
	if user := t.Settings["user"]; user != "" {
		owner, err = command.LookupUser(user)
	}
	if _, gone := os.Lstat(t.DataDir); gone == nil {
		owner, err = command.OwnerOf(t.DataDir)
	}
	if err != nil || owner == nil {
		return err
	}
	return give(ctx, t.DataDir, c.Dir, owner)
}

// give gives all files below dir to owner. Only what is not the owner's is
// touched, so that no right is needed where nothing is to do.
func give(ctx context.Context, dataDir, dir string, owner *command.User) error {
	root, err := beside.Open(dataDir, dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		st := stat(info)
		switch {
		case st.Uid == owner.UID && st.Gid == owner.GID:
			return nil
		case !info.IsDir() && st.Nlink > 1:
			return fault(pluginapi.CodeState, filepath.Join(dir, name), "remove the other name", "the file belongs to another user and has another name elsewhere")
		}
		if err := root.Lchown(name, int(owner.UID), int(owner.GID)); err != nil {
			return fault(pluginapi.CodeRefused, filepath.Join(dir, name), "run the agent as root, or place the files as "+owner.String(), "%v", err)
		}
		// A change of the owner drops these.
		if special := info.Mode() & (fs.ModeSetuid | fs.ModeSetgid); special != 0 && info.Mode().IsRegular() {
			return root.Chmod(name, info.Mode().Perm()|special)
		}
		return nil
	})
}

// below is the path of name in dir for messages.
func below(dir, name string) string { return strings.TrimSuffix(filepath.Join(dir, name), "/.") }

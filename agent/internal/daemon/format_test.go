package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/core/api"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"of 0.1.0, or new", "", true},
		{"of today", "1\n", true},
		{"later", "2\n", false},
		{"zero", "0\n", false},
		{"no number", "one", false},
		{"empty", " ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.text != "" {
				if err := os.WriteFile(filepath.Join(dir, formatName), []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := checkFormat(dir)
			if c.ok {
				err = errors.Join(err, writeFormat(dir), checkFormat(dir))
			}
			var e *api.Error
			if (err == nil) != c.ok || err != nil && (!errors.As(err, &e) || e.Fix == "") {
				t.Errorf("error: %v", err)
			}
		})
	}
}

// What an agent needs to start again takes no space: it comes back on a full disk.
func TestStartWithAFullDisk(t *testing.T) {
	d := &daemon{cfg: config.Config{StateDir: t.TempDir()}}
	full := func(name, target string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(d.cfg.StateDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeFormat(d.cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	full("lock", "/dev/full")
	full(formatName+".tmp", "/dev/full") // whatever is written there fails
	if err := d.openState(t.Context()); err != nil {
		t.Error(err)
	}
	d.close()
	var e *api.Error
	if err := stateError("dir", fmt.Errorf("write: %w", unix.ENOSPC)); !errors.As(err, &e) || !strings.Contains(e.Fix, "free space") {
		t.Errorf("a directory that is new then: %v", err)
	}
}

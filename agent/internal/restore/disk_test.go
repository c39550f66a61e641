package restore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

func (w *world) mount(source, at, kind string, flags uintptr, options string) {
	w.Helper()
	if os.Geteuid() != 0 {
		w.Skip("needs root to mount")
	}
	if err := syscall.Mount(source, at, kind, flags, options); errors.Is(err, syscall.EPERM) {
		w.Skip("needs CAP_SYS_ADMIN to mount")
	} else if err != nil {
		w.Fatal(err)
	}
	w.T.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
}

func (w *world) tmpfs(at, options string) { w.mount("rackswarm-test", at, "tmpfs", 0, options) }
func (w *world) bind(from, to string)     { w.mount(from, to, "", syscall.MS_BIND, "") }

// What is mounted cannot be exchanged: that is found before anything is begun.
func TestMountedDataAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		mount  func(*world)
		before bool // there are data before that
	}{
		"filesystem":         {func(w *world) { w.must(os.Mkdir(w.data, 0o700)); w.tmpfs(w.data, "size=1m"); w.install(old, true) }, false},
		"of the same device": {func(w *world) { w.bind(w.data, w.data) }, true},
		"something inside":   {func(w *world) { w.tmpfs(filepath.Join(w.data, "base"), "size=1m") }, true},
		"an odd name":        {func(w *world) { w.must(os.Mkdir(w.data+"/a b\t", 0o700)); w.tmpfs(w.data+"/a b\t", "size=1m") }, true},
		"of the device, elsewhere": {func(w *world) {
			other := w.TempDir()
			w.must(old.write(other), os.Mkdir(w.data, 0o700))
			w.bind(other, w.data)
			w.setRunning(inodeAt(w.data))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.before {
				w.install(old, true)
			}
			c.mount(w)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			w.follow(api.GoalReady, api.GoalSwitch)
			if j := w.journal(); j.State != api.PartFailed || j.Error.Code != api.CodeUnsupported || j.Error.Fix == "" {
				t.Errorf("%s: %v", j.State, j.Error)
			}
			w.stands("old", true)
		})
	}
}

// The kernel's word counts last: the old database runs again.
func TestMountedAtTheLastMoment(t *testing.T) {
	for name, c := range map[string]struct {
		mount func(*world)
		says  string
	}{
		"the data": {func(w *world) { w.bind(w.data, w.data) }, "mounted"},
		"the copy": {func(w *world) { staged := decide.StagedData(w.data, "r1"); w.bind(staged, staged) }, "mounted"},
		"the directory of the copy": {func(w *world) {
			staging := decide.StagingPath(w.data, "r1")
			other := w.TempDir()
			w.must(newer.write(filepath.Join(other, "data")))
			w.tmpfs(staging, "size=1m")
			w.must(newer.write(filepath.Join(staging, "data")))
		}, "different filesystems"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			before := snapshot(t, w.data)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			w.follow(api.GoalReady)
			w.before(func(method string) error {
				if method == "Stop" {
					c.mount(w)
				}
				return nil
			})
			w.follow(api.GoalSwitch)
			j := w.journal()
			if j.State != api.PartRolledBack || j.Error.Code != api.CodeUnsupported || !strings.Contains(j.Error.Fix, c.says) {
				t.Errorf("%s: %v", j.State, j.Error)
			}
			w.stands("old", true)
			if after := snapshot(t, w.data); !slices.Equal(before, after) {
				t.Errorf("before: %q\nafter: %q", before, after)
			}
		})
	}
}

// A copy on another filesystem is found before the database is stopped.
func TestCopyOnAnotherFilesystem(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.tmpfs(decide.StagedData(w.data, "r1"), "size=1m")
	w.must(newer.write(decide.StagedData(w.data, "r1")))
	w.before(func(method string) error {
		if method == "Stop" {
			w.violation("it was stopped")
		}
		return nil
	})
	w.follow(api.GoalReady, api.GoalSwitch)
	if j := w.journal(); j.State != api.PartFailed || j.Error.Code != api.CodeUnsupported {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.stands("old", true)
}

// What is mounted in a directory that is to be removed is not emptied.
func TestMountIsNotEmptied(t *testing.T) {
	w := newWorld(t)
	dir := w.TempDir()
	inner := filepath.Join(dir, "staging", "data", "mnt")
	w.must(os.MkdirAll(inner, 0o700))
	w.tmpfs(inner, "size=1m")
	w.must(os.WriteFile(filepath.Join(inner, "precious"), nil, 0o600))
	parent, err := os.Open(dir)
	w.must(err)
	defer parent.Close()
	if err := removeTree(parent, "staging"); err == nil {
		t.Error("it was removed")
	}
	if _, err := os.Stat(filepath.Join(inner, "precious")); err != nil {
		t.Error(err)
	}
	w.must(syscall.Unmount(inner, 0), removeTree(parent, "staging"), removeTree(parent, "staging"))
	if _, err := os.Lstat(filepath.Join(dir, "staging")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
}

// A link in what is removed, or in place of it, costs only itself.
func TestRemovalFollowsNoLink(t *testing.T) {
	w := newWorld(t)
	dir, other := w.TempDir(), w.TempDir()
	w.must(os.WriteFile(filepath.Join(other, "precious"), nil, 0o600), os.Mkdir(filepath.Join(dir, "staging"), 0o700),
		os.Symlink(other, filepath.Join(dir, "staging", "link")), os.Symlink(other, filepath.Join(dir, "staging2")))
	parent, err := os.Open(dir)
	w.must(err)
	defer parent.Close()
	w.must(removeTree(parent, "staging"), removeTree(parent, "staging2"))
	if _, err := os.Stat(filepath.Join(other, "precious")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A capture that will not fit is not begun.
func TestCaptureWithoutRoom(t *testing.T) {
	w := newWorld(t)
	w.tmpfs(filepath.Dir(w.data), "size=4m")
	w.install(newer, true)
	w.source()
	w.before(func(method string) error {
		if method == "Capture" {
			w.violation("it was captured")
		}
		return nil
	})
	w.follow(api.GoalCapture)
	j := w.journal()
	if j.State != api.PartFailed || j.Error.Code != api.CodeNoSpace || !strings.Contains(j.Error.Message, "4 MiB") && !strings.Contains(j.Error.Message, "MiB") {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.follow(api.GoalEnd)
	w.leftNothing()
	w.stands("new", true)
}

// Copies that came as root's, and what the driver writes, belong to the owner of
// the database before it starts.
func TestCopyGetsTheOwnerOfTheData(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	const user = 65534
	for name, prepare := range map[string]func(*world){
		"the data's":                  func(w *world) { w.install(old, true); w.must(os.Chown(w.data, user, user), os.Chmod(w.data, 0o750)) },
		"the directory's, if no data": func(w *world) { w.must(os.Chown(filepath.Dir(w.data), user, user)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			mode := modeOf(w.data)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			w.must(os.Symlink("base", filepath.Join(decide.StagedData(w.data, "r1"), "link")))
			w.follow(api.GoalProbe)
			if p := w.journal().Probe; p.Owner == "" || p.Owner == "root" {
				t.Errorf("owner %q", p.Owner)
			}
			w.before(func(method string) error {
				if method == "Start" {
					w.allBelongTo(user)
				}
				return nil
			})
			w.follow(forward...)
			w.stands("new", true)
			w.allBelongTo(user)
			if mode != 0 && modeOf(w.data) != mode {
				t.Errorf("mode %v, want %v", modeOf(w.data), mode)
			}
		})
	}
}

func (w *world) allBelongTo(user uint32) {
	w.Helper()
	n := 0
	w.must(filepath.WalkDir(w.data, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != user {
			w.Errorf("%s belongs to %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		n++
		return err
	}))
	if n < 5 {
		w.Errorf("%d files", n)
	}
}

// Giving a large tree away ends with its context.
func TestGivingEnds(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := give(ctx, f, owner{uint32(os.Getuid()), uint32(os.Getgid())}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestMountPoints(t *testing.T) {
	table := "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" +
		"30 22 8:2 / /srv/pg rw - ext4 /dev/sdb rw\n" +
		`31 30 8:3 / /srv/pg/with\040space\134 rw - ext4 /dev/sdc rw` + "\n" +
		"32 22 8:4 / /srv/pg2 rw\n\nshort\n"
	if got := pointsIn(table, "/srv/pg"); !slices.Equal(got, []string{"/srv/pg", `/srv/pg/with space\`}) {
		t.Errorf("%q", got)
	}
	if got := unescape(`\04`); got != `\04` {
		t.Errorf("%q", got)
	}
}

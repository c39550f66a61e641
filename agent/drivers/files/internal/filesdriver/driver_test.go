package filesdriver_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/agent/drivers/files/internal/filesdriver"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

var driver = filesdriver.Driver{}

// source is a directory with a file of each kind that is captured.
func source(t *testing.T) pluginapi.Target {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	do(t, os.Mkdir(dir, 0o750))
	do(t, os.Mkdir(dir+"/sub", 0o700))
	do(t, os.WriteFile(dir+"/sub/a", []byte("content"), 0o640))
	do(t, os.WriteFile(dir+"/empty", nil, 0o400))
	do(t, os.Symlink("../elsewhere", dir+"/sub/link"))
	f, err := os.Create(dir + "/sparse")
	do(t, err)
	_, err = f.WriteAt([]byte("in the middle"), 8<<20)
	do(t, errors.Join(err, f.Truncate(16<<20), f.Close()))
	do(t, os.Mkdir(dir+"/locked", 0o500))
	return pluginapi.Target{Name: "files", DataDir: dir}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func capture(t *testing.T, target pluginapi.Target, progress func(pluginapi.Progress)) (string, pluginapi.Capture, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "capture")
	do(t, os.Mkdir(dir, 0o700))
	c, err := driver.Capture(t.Context(), target, pluginapi.CaptureRequest{Dir: dir}, progress)
	return dir, c, err
}

// wants fails the test unless err has the code and holds all the words.
func wants(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	var e *pluginapi.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	do(t, err)
	return info.Sys().(*syscall.Stat_t).Blocks
}

func TestCaptureVerifyRestore(t *testing.T) {
	target := source(t)
	var last pluginapi.Progress
	dir, c, err := capture(t, target, func(p pluginapi.Progress) { last = p })
	do(t, err)
	if c.Bytes != 16<<20+7 || last.Total != c.Bytes || last.Done == 0 {
		t.Errorf("%+v, %+v", c, last)
	}
	do(t, driver.Verify(t.Context(), target, dir, nil))
	same(t, target.DataDir, dir)
	if got, want := blocks(t, dir+"/sparse"), blocks(t, target.DataDir+"/sparse"); got > want+16 {
		t.Errorf("the copy takes %d blocks, the original %d", got, want)
	}
	request := pluginapi.ConfigureRequest{Dir: dir, Role: pluginapi.AsStandalone}
	restored := pluginapi.Target{Name: "files", DataDir: filepath.Join(t.TempDir(), "data")}
	do(t, driver.Configure(t.Context(), restored, request))
	do(t, driver.Configure(t.Context(), restored, request))
	do(t, driver.Verify(t.Context(), restored, dir, nil))
	do(t, os.Rename(dir, restored.DataDir))
	do(t, driver.Start(t.Context(), restored))
	h, err := driver.Health(t.Context(), restored, pluginapi.HealthRequest{Role: pluginapi.AsStandalone})
	if err != nil || !h.Healthy {
		t.Errorf("%+v, %v", h, err)
	}
	// What was restored is captured as what it was.
	again, _, err := capture(t, restored, nil)
	do(t, err)
	do(t, driver.Verify(t.Context(), restored, again, nil))
	same(t, target.DataDir, again)
}

// same compares two trees but for the manifest.
func same(t interface {
	Helper()
	Fatalf(string, ...any)
}, a, b string) {
	t.Helper()
	if one, other := tree(a), tree(b); one != other {
		t.Fatalf("%s holds\n%s\n%s holds\n%s", a, one, b, other)
	}
}

func tree(dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || d.Name() == ".rackswarm-files.json" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := []byte{}
		switch {
		case info.Mode().IsRegular():
			content, err = os.ReadFile(path)
		case info.Mode().Type() == fs.ModeSymlink:
			var to string
			to, err = os.Readlink(path)
			content = []byte(to)
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %v %d:%d %d %x\n", strings.TrimPrefix(path, dir), info.Mode(), st.Uid, st.Gid, len(content), content[:min(len(content), 64)])
		return err
	})
	if err != nil {
		return err.Error()
	}
	return b.String()
}

// A tree of whatever shape is captured as it is and verifies.
func TestCaptureProperty(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		from, to := filepath.Join(base, fmt.Sprint(n, "a")), filepath.Join(base, fmt.Sprint(n, "b"))
		for _, dir := range []string{from, to} {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for name, content := range rapid.MapOf(rapid.StringMatching(`[a-c]{1,2}(/[a-c]{1,2}){0,2}`), rapid.SliceOfN(rapid.Byte(), 0, 40)).Draw(t, "files") {
			path := filepath.Join(from, name)
			if os.MkdirAll(filepath.Dir(path), 0o755) == nil {
				_ = os.WriteFile(path, content, 0o644) // a directory may be in the way
			}
		}
		target := pluginapi.Target{DataDir: from}
		if _, err := driver.Capture(context.Background(), target, pluginapi.CaptureRequest{Dir: to}, nil); err != nil {
			t.Fatal(err)
		}
		if err := driver.Verify(context.Background(), target, to, nil); err != nil {
			t.Fatal(err)
		}
		same(t, from, to)
	})
}

func TestChangeDuringCapture(t *testing.T) {
	for _, c := range []struct {
		name, path string
		change     func(dir string) error
	}{
		{"a file grows", "sparse", func(dir string) error { return os.Truncate(dir+"/sparse", 17<<20) }},
		{"a file shrinks", "sparse", func(dir string) error { return os.Truncate(dir+"/sparse", 1) }},
		{"a file comes", "new", func(dir string) error { return os.WriteFile(dir+"/new", nil, 0o600) }},
		{"a file goes", "sub/a", func(dir string) error { return os.Remove(dir + "/sub/a") }},
		{"a file is replaced", "sub", func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/sub/b", []byte("CONTENT"), 0o640), os.Rename(dir+"/sub/b", dir+"/sub/a"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := source(t)
			changed := false
			_, _, err := capture(t, target, func(pluginapi.Progress) {
				if !changed {
					changed = true
					do(t, c.change(target.DataDir))
				}
			})
			wants(t, err, pluginapi.CodeState, "changed", c.path)
		})
	}
}

func TestDamageIsFound(t *testing.T) {
	target := source(t)
	for _, c := range []struct {
		name, file string
		damage     func(dir string) error
	}{
		{"flipped byte", "sub/a", func(dir string) error { return os.WriteFile(dir+"/sub/a", []byte("contenu"), 0o640) }},
		{"short file", "sub/a", func(dir string) error { return os.Truncate(dir+"/sub/a", 3) }},
		{"missing file", "empty", func(dir string) error { return os.Remove(dir + "/empty") }},
		{"extra file", "sub/more", func(dir string) error { return os.WriteFile(dir+"/sub/more", nil, 0o600) }},
		{"other link", "sub/link", func(dir string) error {
			return errors.Join(os.Remove(dir+"/sub/link"), os.Symlink("x", dir+"/sub/link"))
		}},
		{"file for a directory", "locked", func(dir string) error {
			return errors.Join(os.Remove(dir+"/locked"), os.WriteFile(dir+"/locked", nil, 0o600))
		}},
		{"no manifest", ".rackswarm-files.json", func(dir string) error { return os.Remove(dir + "/.rackswarm-files.json") }},
		{"cut manifest", ".rackswarm-files.json", func(dir string) error { return os.Truncate(dir+"/.rackswarm-files.json", 20) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, _, err := capture(t, target, nil)
			do(t, err)
			do(t, c.damage(dir))
			err = driver.Verify(t.Context(), target, dir, nil)
			wants(t, err, pluginapi.CodeCorrupt)
			var e *pluginapi.Error
			if errors.As(err, &e) && e.Subject != c.file {
				t.Errorf("%v: the subject is %q", err, e.Subject)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	target := source(t)
	if p, err := driver.Probe(t.Context(), target); err != nil || p.Kind != pluginapi.KindStopped || p.Bytes != 16<<20+7 {
		t.Errorf("%+v, %v", p, err)
	}
	for name, want := range map[string]pluginapi.Kind{"absent": pluginapi.KindAbsent, "sub/a": pluginapi.KindForeign, "locked": pluginapi.KindEmpty} {
		if p, err := driver.Probe(t.Context(), pluginapi.Target{DataDir: filepath.Join(target.DataDir, name)}); err != nil || p.Kind != want {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	_, err := driver.Probe(t.Context(), pluginapi.Target{DataDir: target.DataDir + "/sub/link"})
	wants(t, err, pluginapi.CodeUnsupported, "symbolic link")
	_, err = driver.Probe(t.Context(), pluginapi.Target{DataDir: "here"})
	wants(t, err, pluginapi.CodeInvalid, "here")
	target.Settings = map[string]string{"colour": "red"}
	_, err = driver.Probe(t.Context(), target)
	wants(t, err, pluginapi.CodeInvalid, "colour")
}

// What files cannot do is refused.
func TestUnsupported(t *testing.T) {
	target := source(t)
	dir, _, err := capture(t, target, nil)
	do(t, err)
	wants(t, driver.Configure(t.Context(), target, pluginapi.ConfigureRequest{Dir: dir, Role: pluginapi.AsReplica}), pluginapi.CodeUnsupported)
	_, err = driver.Pin(t.Context(), target, "run")
	wants(t, err, pluginapi.CodeUnsupported)
	do(t, driver.Unpin(t.Context(), target, "run"))
	do(t, driver.Cleanup(t.Context(), target, "member"))
	do(t, syscall.Mkfifo(target.DataDir+"/fifo", 0o600))
	_, _, err = capture(t, target, nil)
	wants(t, err, pluginapi.CodeUnsupported, "fifo")
	_, _, err = capture(t, pluginapi.Target{DataDir: "/nowhere/at/all"}, nil)
	wants(t, err, pluginapi.CodeState)
}

// The rate is kept, and a call ends with its context.
func TestCaptureIsInterrupted(t *testing.T) {
	target := source(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := filepath.Join(t.TempDir(), "capture")
	do(t, os.Mkdir(dir, 0o700))
	_, err := driver.Capture(ctx, target, pluginapi.CaptureRequest{Dir: dir, MaxRate: 1}, func(pluginapi.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := driver.Verify(t.Context(), target, dir, nil); err == nil {
		t.Error("an unfinished capture was verified")
	}
}

func TestOwnersAreRestored(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	target := source(t)
	do(t, os.Lchown(target.DataDir, 65534, 65534))
	do(t, os.Lchown(target.DataDir+"/sub/link", 65534, 65534))
	dir, _, err := capture(t, target, nil)
	do(t, err)
	same(t, target.DataDir, dir)
	do(t, driver.Configure(t.Context(), target, pluginapi.ConfigureRequest{Dir: dir, Role: pluginapi.AsStandalone}))
	do(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s belongs to %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	}))
}

// withSleeper gives target a program that sleeps, and returns its pidfile.
func withSleeper(t *testing.T, target *pluginapi.Target) (pidfile string) {
	t.Helper()
	pidfile = filepath.Join(t.TempDir(), "pid")
	target.Settings = map[string]string{"pidfile": pidfile, "contains": "sub/a"}
	target.Commands = map[string][]string{
		"start": {"/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $! >" + pidfile},
		"stop":  {"/bin/sh", "-c", "kill $(cat " + pidfile + ")"},
	}
	stopped := *target
	t.Cleanup(func() { do(t, driver.Stop(context.Background(), stopped)) })
	return pidfile
}

// A program that is started by command runs on after the call, counts as running,
// and is stopped by command.
func TestCommands(t *testing.T) {
	target := source(t)
	pidfile := withSleeper(t, &target)
	health := func() pluginapi.Health {
		h, err := driver.Health(t.Context(), target, pluginapi.HealthRequest{Role: pluginapi.AsStandalone})
		do(t, err)
		return h
	}
	if h := health(); h.Fault != pluginapi.FaultDown {
		t.Errorf("before: %+v", h)
	}
	do(t, driver.Start(t.Context(), target))
	do(t, driver.Start(t.Context(), target))
	p, err := driver.Probe(t.Context(), target)
	if err != nil || p.Kind != pluginapi.KindPrimary || p.PID == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if h := health(); !h.Healthy {
		t.Errorf("%+v", h)
	}
	do(t, driver.Stop(t.Context(), target))
	do(t, driver.Stop(t.Context(), target))
	if p, err := driver.Probe(t.Context(), target); err != nil || p.Kind != pluginapi.KindStopped {
		t.Errorf("%+v, %v", p, err)
	}
	// A number that another process has by now.
	do(t, os.WriteFile(pidfile, []byte(strconv.Itoa(os.Getpid())), 0o600))
	do(t, os.Chtimes(pidfile, time.Unix(1, 0), time.Unix(1, 0)))
	if p, err := driver.Probe(t.Context(), target); err != nil || p.Kind != pluginapi.KindStopped {
		t.Errorf("a stale number: %+v, %v", p, err)
	}
	target.Commands["start"] = []string{"/bin/false"}
	wants(t, driver.Start(t.Context(), target), pluginapi.CodeState, "commands.start")
}

// Who works in the directory is in the way.
func TestProcessInTheDirectory(t *testing.T) {
	target := source(t)
	cmd := exec.Command("sleep", "1000")
	cmd.Dir = target.DataDir
	do(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p, err := driver.Probe(t.Context(), target)
	if err != nil || p.Kind != pluginapi.KindPrimary || p.PID != cmd.Process.Pid {
		t.Errorf("%+v, %v", p, err)
	}
	wants(t, driver.Stop(t.Context(), target), pluginapi.CodeState, "commands.stop")
}

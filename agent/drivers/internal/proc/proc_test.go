package proc

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		line string
		want Process
		ok   bool
	}{
		{"12 (postgres) S 1 12 12 0", Process{12, 1, 12, "postgres"}, true},
		{"12 (a) (b) S 7 9 12 0", Process{12, 7, 9, "a) (b"}, true},
		{"12 (postgres) Z 1 12 12 0", Process{}, false},
		{"12 (postgres) S", Process{}, false},
		{"12 postgres S 1 1", Process{}, false},
		{"x (postgres) S 1 1", Process{}, false},
		{")(", Process{}, false},
	} {
		if got, ok := parseStat(c.line); got != c.want || ok != c.ok {
			t.Errorf("%q: %+v, %v", c.line, got, ok)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("12 (a) (b) S 7 9 12 0")
	f.Fuzz(func(t *testing.T, line string) {
		if p, ok := parseStat(line); !ok && p != (Process{}) {
			t.Errorf("%q: %+v", line, p)
		}
	})
}

// start runs a program until the test ends, or until it is told to end.
func start(t *testing.T, dir string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	return cmd
}

func TestWithin(t *testing.T) {
	base := t.TempDir()
	dir, other := filepath.Join(base, "a"), filepath.Join(base, "b")
	for _, d := range []string{dir, other} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := start(t, dir, "sleep", "1000")
	if err := os.Symlink(dir, base+"/name"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, base + "/name"} {
		found, err := Within(name)
		if err != nil || len(found) != 1 || found[0].PID != cmd.Process.Pid || found[0].Parent != os.Getpid() {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	// Renamed, it is the same directory; under its name stands another.
	if err := os.Rename(dir, base+"/moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, dir); err != nil {
		t.Fatal(err)
	}
	if found, err := Within(dir); err != nil || len(found) != 0 {
		t.Errorf("in the new one: %+v, %v", found, err)
	}
	if found, err := Within(base + "/moved"); err != nil || len(found) != 1 {
		t.Errorf("in the old one: %+v, %v", found, err)
	}
	if found, err := Within(base + "/none"); err != nil || found != nil {
		t.Errorf("in none: %+v, %v", found, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if found, err := Within(base + "/moved"); err != nil || len(found) != 0 {
		t.Errorf("after the end: %+v, %v", found, err)
	}
}

func TestLeader(t *testing.T) {
	ps := []Process{{PID: 10, Parent: 1}, {PID: 20, Parent: 1}, {PID: 30, Parent: 20}}
	for preferred, want := range map[int]int{0: 10, 10: 10, 20: 20, 30: 10} {
		if got, ok := Leader(ps, preferred); !ok || got.PID != want {
			t.Errorf("preferred %d: %+v", preferred, got)
		}
	}
	if got, ok := Leader(nil, 5); ok {
		t.Errorf("of none: %+v", got)
	}
}

// Descendants count down to those that have made a session of their own.
func TestBelow(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sh -c 'sleep 1000 & setsid sleep 1000 & echo; wait' & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 1))
	for {
		below, err := Below(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]int{}
		for _, p := range below {
			names[p.Name]++
		}
		// setsid takes a moment to be another program of another group
		if names["sleep"] == 1 && names["sh"] == 1 && len(below) == 2 {
			break
		}
		if t.Context().Err() != nil {
			t.Fatalf("%+v", below)
		}
	}
	if pids, err := numbers(); err == nil {
		for _, pid := range pids {
			if p, ok := look(pid); ok && p.Name == "sleep" && descends(pid, cmd.Process.Pid) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	io.Copy(io.Discard, out)
	cmd.Wait()
	if below, err := Below(cmd.Process.Pid); err != nil || below != nil {
		t.Errorf("of nobody: %+v, %v", below, err)
	}
}

func descends(pid, from int) bool {
	for pid > 1 {
		p, ok := look(pid)
		if !ok || p.PID == from {
			return ok
		}
		pid = p.Parent
	}
	return false
}

func TestBegan(t *testing.T) {
	before := time.Now()
	cmd := start(t, "/", "sleep", "1000")
	at, ok := Began(cmd.Process.Pid)
	const slack = 2 * time.Second // the kernel tells seconds and ticks
	if !ok || at.Before(before.Add(-slack)) || at.After(time.Now().Add(slack)) {
		t.Errorf("%v, %v, at %v", at, ok, before)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if at, ok := Began(cmd.Process.Pid); ok {
		t.Errorf("after the end: %v", at)
	}
}

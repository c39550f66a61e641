package busy_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/lab/busy"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestMain(m *testing.M) {
	busy.RunProgram()
	os.Exit(m.Run())
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount, and limit processes")
	}
}

func newProcessor(t *testing.T) *busy.Processor {
	t.Helper()
	needRoot(t)
	if err := busy.Unsupported(); err != nil {
		t.Skip(err)
	}
	p, err := busy.NewProcessor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// onHost runs a shell on a host with an interface, as those of the lab, and returns
// what it says.
func onHost(t *testing.T, v *busy.View, script string) string {
	t.Helper()
	const host = `ip link add eth0 type veth peer name far && exec "$@"`
	inside := busy.Command(v, nil, "sh", "-c", script)
	out, err := exec.Command("unshare", append([]string{"--net", "sh", "-c", host, "sh"}, inside.Args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func newView(t *testing.T) *busy.View {
	t.Helper()
	needRoot(t)
	v, err := busy.NewView(filepath.Join(t.TempDir(), "view"), 1, topo.Link{Up: 1.25e6, Down: 12.5e6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// A host sees what its own programs have used, and nothing of the machine.
func TestView(t *testing.T) {
	v := newView(t)
	look := func() bandwidth.CPUTimes {
		t.Helper()
		times, err := bandwidth.ParseCPU(onHost(t, v, "cat /proc/stat"))
		if err != nil {
			t.Fatal(err)
		}
		return times
	}
	if before := look(); before.Busy != 0 {
		t.Errorf("at the start %+v was used", before)
	}
	time.Sleep(200 * time.Millisecond)
	if err := v.Update(100 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if after := look(); after.Busy != 10 || after.Idle < 10 {
		t.Errorf("%+v was used, want 10 ticks of at least 20", after)
	}
	if pressure := onHost(t, v, "ls /proc/pressure || true"); strings.Contains(pressure, "cpu\n") {
		t.Errorf("the machine's pressure is there: %s", pressure)
	}
}

// The host's interface has the speed of its link.
func TestViewOfTheInterface(t *testing.T) {
	v := newView(t)
	if speed := onHost(t, v, "cat /sys/class/net/eth0/speed"); speed != "100\n" {
		t.Errorf("the speed is %q", speed)
	}
	if names := onHost(t, v, "ls /sys/class/net"); names != "eth0\nfar\nlo\n" {
		t.Errorf("the interfaces are %q", names)
	}
}

// Whatever runs on a processor gets no more than its part.
func TestProcessor(t *testing.T) {
	p := newProcessor(t)
	cmd := busy.Command(nil, p, "sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	time.Sleep(time.Second)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	passed, used := time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	if most := time.Duration(1.5 * busy.Cores * float64(passed)); used == 0 || used > most {
		t.Errorf("it used %s in %s", used, passed)
	}
}

// Who keeps a processor busy takes a share of it, and ends by itself.
func TestUseOfAProcessor(t *testing.T) {
	p := newProcessor(t)
	cmd := p.Use(0.5, time.Second)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if share := used.Seconds() / busy.Cores; share > 0.75 || share < 0.01 {
		t.Errorf("it used a share of %.2f, want half", share)
	}
}

// A disk is one of its own, which somebody can keep busy, and goes with its image.
func TestDisk(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("there is no mkfs.ext4")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("there are no loop devices")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := busy.NewDisk(dir, unit.MiB)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var above, on unix.Stat_t
	if err := errors.Join(unix.Stat(filepath.Dir(dir), &above), unix.Stat(dir, &on)); err != nil || above.Dev == on.Dev {
		t.Errorf("it is on device %d as is its parent: %v", on.Dev, err)
	}
	if out, err := d.Use(300 * time.Millisecond).CombinedOutput(); err != nil {
		t.Errorf("keep it busy: %v: %s", err, out)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestProgramsSayWhatIsWrong(t *testing.T) {
	for _, args := range [][]string{{"rackswarm-lab-cpu"}, {"rackswarm-lab-cpu", "x", "1", "/dev/null"}, {"rackswarm-lab-disk", "/nowhere", "1"}} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := &exec.Cmd{Path: self, Args: args, Stdout: io.Discard}
		if err := cmd.Run(); err == nil {
			t.Errorf("%v is fine", args)
		}
	}
}

package hostload

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
)

// busy has this program burn CPU, for TestAQuotaOfThisKernel, and tell what it sees.
const busy = "HOSTLOAD_TEST_BUSY"

func TestMain(m *testing.M) {
	if os.Getenv(busy) == "" {
		os.Exit(m.Run())
	}
	if err := burn(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// burn waits for a line, uses the CPU for a second, and prints for which part of that
// it was held back.
func burn() error {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	load, err := New(Config{Host: probe.HostConfig{Interface: "lo"}, Moved: func() bandwidth.Moved { return bandwidth.Moved{} }})
	if err != nil {
		return err
	}
	if _, err := load.heldBack(0); err != nil {
		return err
	}
	begin := time.Now()
	for time.Since(begin) < time.Second {
	}
	held, err := load.heldBack(time.Since(begin))
	fmt.Println(float64(held))
	return err
}

// An agent in a group of this kernel that may use a tenth of a CPU, and would use
// more, knows that it is held back.
func TestAQuotaOfThisKernel(t *testing.T) {
	group := newGroup(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), busy+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(in)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, said.String())
	}
	if held, err := strconv.ParseFloat(strings.TrimSpace(said.String()), 64); err != nil || held < .5 {
		t.Errorf("it was held back for %s of the time", said.String())
	}
}

// newGroup makes a control group below the one that the test is in, with a quota of
// 10 ms in each 100 ms. It ends with the test.
func newGroup(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skipf("this needs control groups: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		parent := filepath.Join("/sys/fs/cgroup", fields[1], fields[2])
		for file, quota := range map[string]string{"cpu.cfs_quota_us": "10000", "cpu.max": "10000 100000"} {
			group, err := os.MkdirTemp(parent, "hostload-test-")
			if err != nil {
				continue
			}
			t.Cleanup(func() { os.Remove(group) })
			if os.WriteFile(filepath.Join(group, file), []byte(quota), 0) == nil {
				return group
			}
		}
	}
	t.Skip("this needs leave to make a control group with a CPU quota")
	return ""
}

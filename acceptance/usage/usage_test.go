package usage

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

func TestParseStat(t *testing.T) {
	// The name may hold what looks like the end of it.
	stat := "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 20 5 20 0 1 0 12345 1000 200"
	if got, ok := parseStat([]byte(stat)); !ok || got != 2250*time.Millisecond {
		t.Errorf("the time is %v, %v", got, ok)
	}
	for _, bad := range []string{"", "7 (a) S 1 2", strings.Replace(stat, "150", "x", 1)} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestParseKiB(t *testing.T) {
	text := "Name:\tx\nVmHWM:\t    2108 kB\nVmRSS:\t     100 kB\n"
	for field, want := range map[string]int64{"VmHWM": 2108 << 10, "VmRSS": 100 << 10, "VmSwap": 0, "Vm": 0} {
		if got := ParseKiB(text, field); got != want {
			t.Errorf("%s is %d, want %d", field, got, want)
		}
	}
}

// What a process used is known while it lives and afterwards, with what its
// children used.
func TestUsageOfAProcessAndItsChildren(t *testing.T) {
	const burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
	cmd := exec.Command("sh", "-c", "("+burn+"); ("+burn+"); echo done; read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.KillGroup)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "done\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
	if used := CPU(p); used < 2*ClockTick {
		t.Errorf("a living process and its children have used %v", used)
	}
	if peak := Peak(p.Pid()); peak < 100<<10 {
		t.Errorf("its peak of memory is %d bytes", peak)
	}
	in.Close()
	<-p.Exited()
	if used := CPU(p); used < 2*ClockTick {
		t.Errorf("an ended process and its children have used %v", used)
	}
}

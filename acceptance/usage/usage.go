package usage

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// ClockTick is the unit of times in /proc: USER_HZ, 100 on every Linux port that
// Go runs on.
const ClockTick = 10 * time.Millisecond

// CPU is the user and system time that a process and what it started have used
// so far, or had when it ended.
func CPU(p *child.Process) time.Duration {
	if p.Running() {
		if used, ok := treeCPU(p.Pid()); ok {
			return used
		}
	}
	return p.CPU()
}

// treeCPU is the time of a process, of the children that it waited for, and of
// those that live.
func treeCPU(pid int) (time.Duration, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	used, ok := parseStat(text)
	if !ok {
		return 0, false
	}
	for _, child := range children(pid) {
		below, _ := treeCPU(child) // one that has ended was waited for, or is about to be
		used += below
	}
	return used, true
}

// parseStat reads the times of a /proc/PID/stat: utime, stime, cutime, cstime,
// fields 14 to 17, counted after the program's name, which may contain anything.
func parseStat(text []byte) (time.Duration, bool) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return 0, false
	}
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, false
		}
		ticks += n
	}
	return time.Duration(ticks) * ClockTick, true
}

// children are the living children of all of a process's threads.
func children(pid int) []int {
	var all []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // none if it has ended
	for _, t := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, f := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(f); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// Peak is the most memory that a process or one that it started has used, in
// bytes; 0 if it has ended. The kernel's account of an ended process (ru_maxrss)
// begins with the memory of the process that started it, so this is to be read
// while it lives.
func Peak(pid int) int64 {
	peak := Status(pid, "VmHWM")
	for _, child := range children(pid) {
		peak = max(peak, Peak(child))
	}
	return peak
}

// Status is an amount of memory of /proc/PID/status in bytes, such as VmRSS; 0 if
// the process has ended.
func Status(pid int, field string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return ParseKiB(string(text), field)
}

// ParseKiB finds a line such as "VmHWM:     2108 kB" and returns bytes.
func ParseKiB(text, field string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

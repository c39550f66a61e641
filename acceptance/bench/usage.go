package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, 100 on every Linux port that
// Go runs on.
const clockTick = 10 * time.Millisecond

// cpu is the user and system time that the program and what it started have
// used so far.
func (p *process) cpu() time.Duration {
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
	return time.Duration(ticks) * clockTick, true
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

// memory finds out how much memory the processes of a round use at most. The
// kernel's own account of an ended process (ru_maxrss) begins with the memory of
// the process that started it, so the peaks of living ones are read instead.
type memory struct {
	sync.Mutex
	processes []*process
	peak      int64 // bytes, of the largest process
	quit      chan struct{}
	done      sync.WaitGroup
}

const memoryInterval = 100 * time.Millisecond

func watchMemory() *memory {
	m := &memory{quit: make(chan struct{})}
	m.done.Go(func() {
		for {
			select {
			case <-m.quit:
				return
			case <-time.After(memoryInterval):
				m.look()
			}
		}
	})
	return m
}

func (m *memory) add(p *process) {
	m.Lock()
	defer m.Unlock()
	m.processes = append(m.processes, p)
}

// reset forgets what was, also in the kernel.
func (m *memory) reset() {
	m.Lock()
	defer m.Unlock()
	for _, p := range m.processes {
		// It fails for one that has ended, and elsewhere its peak stays.
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Pid()), []byte("5"), 0)
	}
	m.peak = 0
}

func (m *memory) look() {
	m.Lock()
	defer m.Unlock()
	for _, p := range m.processes {
		if p.Running() {
			m.peak = max(m.peak, treePeak(p.Pid()))
		}
	}
}

// most looks once more and returns the peak in bytes.
func (m *memory) most() int64 {
	m.look()
	m.Lock()
	defer m.Unlock()
	return m.peak
}

func (m *memory) stop() {
	close(m.quit)
	m.done.Wait()
}

// treePeak is the most that a process or one that it started has used, in bytes.
func treePeak(pid int) int64 {
	peak := statusBytes(pid, "VmHWM")
	for _, child := range children(pid) {
		peak = max(peak, treePeak(child))
	}
	return peak
}

// statusBytes is a field of /proc/PID/status, 0 if the process has ended.
func statusBytes(pid int, field string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return parseKiB(string(text), field)
}

// parseKiB finds a line such as "VmHWM:     2108 kB" and returns bytes.
func parseKiB(text, field string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

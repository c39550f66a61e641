package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/usage"
)

// cpu is the user and system time that the program and what it started have
// used so far.
func (p *process) cpu() time.Duration { return usage.CPU(p.Process) }

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
			m.peak = max(m.peak, usage.Peak(p.Pid()))
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

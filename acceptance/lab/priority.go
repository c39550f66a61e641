package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// before is by how much the lab's own niceness is below that of the programs that it
// compares. What it sends and measures is others' traffic: they share the machine's
// processors, and a late packet of the lab would count as theirs.
const before = 5

// goFirst raises the priority of this process. Threads that come later have that of
// those that they come from; programs on hosts have what the lab was started with.
func goFirst() error {
	niceness := child.Niceness() - before
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, niceness); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("set the lab's priority: %w", err)
		}
	}
	return nil
}

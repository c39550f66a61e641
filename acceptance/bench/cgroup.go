package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// cgroup bounds the memory of some processes, page cache included.
type cgroup struct{ dir string }

// makeCgroup makes a group below the memory controller of version 1 or, if there
// is none, below the root of version 2.
func makeCgroup(limit int64) (*cgroup, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a memory cgroup needs root")
	}
	name := fmt.Sprintf("rsbench-%d", os.Getpid())
	var errs []error
	for _, v := range []struct{ root, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	} {
		g := &cgroup{filepath.Join(v.root, name)}
		err := os.Mkdir(g.dir, 0o755)
		if err == nil {
			// The kernel makes the file; without it the controller is not there.
			if err = writeExisting(filepath.Join(g.dir, v.file), limit); err == nil {
				return g, nil
			}
			g.remove()
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no memory cgroup: %w", errors.Join(errs...))
}

func writeExisting(file string, value int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(value, 10))
	return errors.Join(err, f.Close())
}

// add puts a process with all its threads into the group.
func (g *cgroup) add(pid int) error {
	if err := writeExisting(filepath.Join(g.dir, "cgroup.procs"), int64(pid)); err != nil {
		return fmt.Errorf("put process %d into a cgroup: %w", pid, err)
	}
	return nil
}

// remove removes the group, which the kernel allows a moment after its processes
// have ended.
func (g *cgroup) remove() {
	for range 100 {
		if err := os.Remove(g.dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

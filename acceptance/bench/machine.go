package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/filler"
	"github.com/rackswarm/rackswarm/acceptance/usage"
)

// machine is what the figures were measured on.
type machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Memory   int64             `json:"memory_mib"`
	Kernel   string            `json:"kernel"`
	Load     string            `json:"load"`    // before the first round
	Content  string            `json:"content"` // the filesystem that content is on
	Disk     string            `json:"disk"`    // the one of the disk's cases
	Versions map[string]string `json:"versions"`
}

func describeMachine() machine {
	cpu, _ := os.ReadFile("/proc/cpuinfo") // unknown is "" here and below
	load, _ := os.ReadFile("/proc/loadavg")
	info, _ := os.ReadFile("/proc/meminfo")
	var name unix.Utsname
	_ = unix.Uname(&name)
	average, _, _ := strings.Cut(string(load), " ")
	m := machine{Cores: runtime.NumCPU(), Memory: usage.ParseKiB(string(info), "MemTotal") >> 20, Kernel: unix.ByteSliceToString(name.Release[:]),
		Load: average}
	for line := range strings.Lines(string(cpu)) {
		if rest, ok := strings.CutPrefix(line, "model name"); ok {
			m.CPU = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), ":"))
			break
		}
	}
	return m
}

// place makes the directory in which content moves: on a tmpfs, because the disk
// is not what is measured. kind says what it is on.
func place(need int64) (dir, kind string, undo func() error, err error) {
	if free, ok := tmpfsFree("/dev/shm"); ok && free >= need {
		dir, err := os.MkdirTemp("/dev/shm", "rsbench-")
		return dir, "tmpfs", func() error { return os.RemoveAll(dir) }, err
	}
	dir, err = os.MkdirTemp("", "rsbench-")
	if err != nil {
		return "", "", nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	if os.Geteuid() == 0 {
		err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", need))
		if err == nil {
			return dir, "tmpfs", func() error { return errors.Join(unix.Unmount(dir, 0), remove()) }, nil
		}
	}
	return dir, "a disk: there is no tmpfs of " + mib(need), remove, nil
}

func tmpfsFree(dir string) (int64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		return 0, false
	}
	return int64(st.Bavail) * st.Bsize, true
}

// checkMemory fails if less than need bytes are available.
func checkMemory(need int64) error {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	if have := usage.ParseKiB(string(text), "MemAvailable"); have < need {
		return fmt.Errorf("%s of memory are available and the bench needs %s: take cases away with -only, or -quick", mib(have), mib(need))
	}
	return nil
}

// warm touches and frees as much memory as will be used: pages that a virtual
// machine has not used yet cost ten times as much as others.
func warm(size int64) error {
	const step = 64 << 20
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("warm the memory: %w", err)
	}
	_ = filler.Parallel(int(size/step), func(i int) error {
		for at := i * step; at < (i+1)*step; at += 4096 {
			mem[at] = 1
		}
		return nil
	})
	return unix.Munmap(mem)
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

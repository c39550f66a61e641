package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/filler"
)

const (
	neighbourFile = 1 << 30
	artifactSize  = 2 << 30
	// neighbourLimit is the memory that agents and neighbour share. Without a
	// limit a machine with memory to spare would show nothing.
	neighbourLimit = 3 << 30
)

// measureNeighbour lets artifacts pass two agents that share their memory with a
// process whose file is in the page cache, all on the disk, and sees how much of
// that file stays.
func measureNeighbour(ctx context.Context, b *bench) ([]result, error) {
	out := result{Case: "neighbour", System: "rackswarm"}
	group, err := makeCgroup(neighbourLimit)
	if err != nil {
		out.Left = err.Error()
		fmt.Fprintf(b.log, "  left out: %v\n", err)
		return []result{out}, nil
	}
	defer group.remove()
	dir := filepath.Join(b.disk, "neighbour")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	warmFile := filepath.Join(dir, "warm")
	if err := makeCold(warmFile, neighbourFile, 8); err != nil {
		return nil, err
	}
	err = b.withFleet(ctx, dir, func(f *fleet) error {
		n, err := f.round.speak("neighbour", exec.Command(b.tools.self, "peer", "neighbour", "-file", warmFile))
		if err != nil {
			return err
		}
		for _, p := range f.round.processes {
			if err := group.add(p.Pid()); err != nil {
				return err
			}
		}
		if out.ShareBefore, err = askShare(ctx, n, "warm"); err != nil {
			return err
		}
		if err := b.pass(ctx, f, dir); err != nil {
			return err
		}
		out.Share, err = askShare(ctx, n, "look")
		return err
	})
	return []result{out}, err
}

// pass distributes artifacts from the first agent to the second, one after the
// other.
func (b *bench) pass(ctx context.Context, f *fleet, dir string) error {
	size := min(artifactSize, b.sizes.neighbour)
	for i := range int(b.sizes.neighbour / size) {
		name := fmt.Sprint("artifact", i)
		path := filepath.Join(dir, name)
		if err := makeCold(path, size, uint64(100+i)); err != nil {
			return err
		}
		a, err := f.publish(ctx, path, name)
		if err != nil {
			return err
		}
		if _, err := f.distribute(ctx, a, name); err != nil {
			return err
		}
		if err := f.client.DeleteDistribution(ctx, name, false); err != nil {
			return err
		}
		if err := errors.Join(os.Remove(path), os.Remove(f.received(1, name))); err != nil {
			return err
		}
	}
	return nil
}

// makeCold makes a file that is on the disk and not in memory.
func makeCold(path string, size int64, seed uint64) error {
	if err := filler.File(path, size, seed); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// askShare has the neighbour answer which share of its file is in memory.
func askShare(ctx context.Context, p *process, order string) (float64, error) {
	if err := p.say("%s", order); err != nil {
		return 0, err
	}
	answer, err := p.hear(ctx, "share")
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(answer, 64)
}

// beNeighbour is the process that has the file in its memory: on "warm" it reads
// all of it twice, as what is read once only is nobody's to keep.
func beNeighbour(file string) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "warm" {
			for range 2 {
				if err := readAll(file); err != nil {
					return err
				}
			}
		}
		share, err := shareInMemory(file)
		if err != nil {
			return err
		}
		fmt.Println("share", share)
	}
	return lines.Err()
}

func readAll(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// shareInMemory asks mincore.
func shareInMemory(file string) (float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, fmt.Errorf("map %s: %w", file, err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	pages := make([]byte, (len(mem)+os.Getpagesize()-1)/os.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), uintptr(unsafe.Pointer(&pages[0]))) //nolint:gosec // both live on
	if errno != 0 {
		return 0, fmt.Errorf("mincore %s: %w", file, errno)
	}
	in := 0
	for _, p := range pages {
		in += int(p & 1)
	}
	return float64(in) / float64(len(pages)), nil
}

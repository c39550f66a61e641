package busy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// Parts of this program that run as programs of their own on the hosts, by the
// names that they are called by.
const (
	cpuProgram  = "rackswarm-lab-cpu"  // CORES SECONDS CGROUP.PROCS
	diskProgram = "rackswarm-lab-disk" // DIRECTORY SECONDS
)

// RunProgram keeps a processor or a disk busy, if the process was started for that,
// and ends with it. If it was not, it returns at once. The lab's command and every
// test that has busy hosts call it first.
func RunProgram() { child.Parts{cpuProgram: runCPU, diskProgram: runDisk}.Run() }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// Use is a command that uses a share of the processor for a time.
func (p *Processor) Use(share float64, d time.Duration) *exec.Cmd {
	return child.Part(cpuProgram, strconv.FormatFloat(share*Cores, 'f', -1, 64), seconds(d), p.processes())
}

// Use is a command that has much written to the disk for a time.
func (d *Disk) Use(lasts time.Duration) *exec.Cmd {
	return child.Part(diskProgram, d.dir, seconds(lasts))
}

var errArguments = errors.New("other arguments than those that the lab gives")

func numbers(words ...string) ([]float64, error) {
	all := make([]float64, len(words))
	for i, word := range words {
		var err error
		if all[i], err = strconv.ParseFloat(word, 64); err != nil {
			return nil, errArguments
		}
	}
	return all, nil
}

// runCPU works for as long as it has had less than its part of the time.
func runCPU(args []string) error {
	if len(args) != 3 {
		return errArguments
	}
	n, err := numbers(args[:2]...)
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[2], []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return err
	}
	work := make([]byte, 64<<10)
	began := time.Now()
	end := time.Duration(n[1] * float64(time.Second))
	for passed := time.Duration(0); passed < end; passed = time.Since(began) {
		used, err := used()
		if err != nil {
			return err
		}
		if used.Seconds() >= n[0]*passed.Seconds() {
			time.Sleep(time.Millisecond)
			continue
		}
		sha256.Sum256(work)
	}
	return nil
}

// used is the processor time of this process.
func used() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// What a busy disk has to do: so many blocks at once, again after the pause. It is
// some 80 MB/s, a small part of what memory can do.
const (
	writers  = 8
	block    = 1 << 20
	diskTick = 100 * time.Millisecond
)

// runDisk writes past the page cache.
func runDisk(args []string) error {
	if len(args) != 2 {
		return errArguments
	}
	n, err := numbers(args[1])
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		file := filepath.Join(args[0], fmt.Sprintf("busy-%d", i+1))
		running.Go(func() { errs[i] = writeBlocks(file, time.Duration(n[0]*float64(time.Second))) })
	}
	running.Wait()
	return errors.Join(errs...)
}

func writeBlocks(file string, lasts time.Duration) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CREAT|unix.O_DIRECT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer unix.Close(fd)
	defer os.Remove(file)
	data, err := unix.Mmap(-1, 0, block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	if err != nil {
		return err
	}
	tick := time.NewTicker(diskTick)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < lasts; <-tick.C {
		if _, err := unix.Pwrite(fd, data, 0); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	return nil
}

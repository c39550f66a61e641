package busy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Cores is how much of one of the machine's processors a Processor is.
const Cores = 0.5

const (
	controller = "/sys/fs/cgroup/cpu" // of version 1: version 2 may have none
	namePrefix = "rackswarm-lab-"
	// period is the time within which its programs get their part. It is short, as
	// they stand still for the rest of it.
	period = 20 * time.Millisecond
	// mostShares go before whatever else runs on the machine, or a busy one would have
	// less than its part to give.
	mostShares = 1 << 18
)

// Processor is a cgroup whose programs together get a part of the machine's
// processors.
type Processor struct{ dir string }

var made atomic.Int64

// NewProcessor makes one.
func NewProcessor() (*Processor, error) {
	removeOld()
	dir := filepath.Join(controller, fmt.Sprintf("%s%d-%d", namePrefix, os.Getpid(), made.Add(1)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a processor of a host: %w; the faults cpu need root and the cpu controller of cgroup version 1 at %s", err, controller)
	}
	p := &Processor{dir}
	for name, value := range map[string]int64{
		"cpu.cfs_period_us": period.Microseconds(), "cpu.cfs_quota_us": int64(Cores * float64(period.Microseconds())), "cpu.shares": mostShares,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strconv.FormatInt(value, 10)), 0); err != nil {
			return nil, errors.Join(fmt.Errorf("limit a processor of a host: %w", err), p.Close())
		}
	}
	return p, nil
}

// removeOld removes the processors of labs that were killed.
func removeOld() {
	old, _ := filepath.Glob(filepath.Join(controller, namePrefix+"*"))
	for _, dir := range old {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), namePrefix), "-")
		if pid, err := strconv.Atoi(id); err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = unix.Rmdir(dir)
		}
	}
}

// processes is the file with the numbers of the processes on it.
func (p *Processor) processes() string { return filepath.Join(p.dir, "cgroup.procs") }

// patience is how long the kernel may take to forget a process that has ended.
const patience = 5 * time.Second

// Close removes the processor, on which nothing runs any more.
func (p *Processor) Close() error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(p.dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Since(began) > patience {
			return fmt.Errorf("remove %s: %w", p.dir, err)
		}
	}
}

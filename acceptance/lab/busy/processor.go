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

// Unsupported says why there can be no Processor on this machine and what would mend it,
// nil if there can.
func Unsupported() error { return unsupportedAt(controller) }

// unsupportedAt is Unsupported for where the controller should be.
func unsupportedAt(dir string) error {
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	switch {
	case err == nil && fs.Type == unix.CGROUP_SUPER_MAGIC:
		return nil
	case err == nil:
		err = errors.New("it is no controller of cgroup version 1")
	}
	return fmt.Errorf("faults cpu need the cpu controller of cgroup version 1 at %s: %w; if nothing uses that of version 2, mkdir -p %[1]s && mount -t cgroup -o cpu cgroup %[1]s; "+
		"otherwise boot with systemd.unified_cgroup_hierarchy=0 on the kernel's command line", dir, err)
}

// NewProcessor makes one.
func NewProcessor() (*Processor, error) {
	if err := Unsupported(); err != nil {
		return nil, err
	}
	removeOld()
	dir := filepath.Join(controller, fmt.Sprintf("%s%d-%d", namePrefix, os.Getpid(), made.Add(1)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a processor of a host, as root: %w", err)
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

package probe

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
)

// Throttled is for how long a control group that this process is in has been held
// back, since it began, as it had used up its CPU quota: whole periods in which that
// happened count.
type Throttled struct {
	Group string // its directory
	Time  time.Duration
}

// defaultPeriod is that of a quota whose period cannot be read.
const defaultPeriod = 100 * time.Millisecond

// Throttled tells of all control groups that this process is in and that can have a
// CPU quota, version 1 and 2. There are none where the kernel has no such groups.
// In a container they are those of the container.
func (h *Host) Throttled() ([]Throttled, error) {
	text, err := h.read("proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Throttled
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		mount := fields[1]
		if mount != "" && !slices.Contains(strings.Split(mount, ","), "cpu") {
			continue
		}
		if all, err = h.appendThrottled(all, filepath.Join("sys/fs/cgroup", mount), fields[2]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// appendThrottled appends the groups from that at path up to the first one. A
// container sees its own as the first one, whatever its path is outside.
func (h *Host) appendThrottled(all []Throttled, mount, path string) ([]Throttled, error) {
	for path = filepath.Join("/", path); ; path = filepath.Dir(path) {
		group := filepath.Join(mount, path)
		text, err := h.read(group, "cpu.stat")
		if err == nil {
			var periods uint64
			if periods, err = bandwidth.ParseThrottled(text); err != nil {
				return nil, err
			}
			all = append(all, Throttled{Group: group, Time: time.Duration(min(periods, 1<<32)) * h.quotaPeriod(group)}) //nolint:gosec // bounded
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if path == "/" {
			return all, nil
		}
	}
}

// quotaPeriod is in which time a group may use its quota.
func (h *Host) quotaPeriod(group string) time.Duration {
	text, err := h.read(group, "cpu.cfs_period_us")
	if err != nil {
		text, _ = h.read(group, "cpu.max")
		_, text, _ = strings.Cut(text, " ")
	}
	us, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil || us == 0 || us > 1e6 { // the kernel takes up to a second
		return defaultPeriod
	}
	return time.Duration(us) * time.Microsecond
}

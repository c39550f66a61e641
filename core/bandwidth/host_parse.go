package bandwidth

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// ParseCPU reads the times of all CPUs in the text of /proc/stat. A guest's time
// is part of user's there, and not counted again.
func ParseCPU(text string) (CPUTimes, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "cpu" {
			continue
		}
		if len(fields) < 6 {
			return CPUTimes{}, fmt.Errorf("line cpu: %d numbers, at least 5 belong there", len(fields)-1)
		}
		n, err := numbers(fields[1:min(len(fields), 9)])
		if err != nil {
			return CPUTimes{}, fmt.Errorf("line cpu: %w", err)
		}
		c := CPUTimes{Idle: n[3], Wait: n[4]}
		for i, ticks := range n { // user, nice, system, idle, iowait, irq, softirq, steal
			if i != 3 && i != 4 {
				c.Busy += ticks
			}
		}
		return c, nil
	}
	return CPUTimes{}, fmt.Errorf("there is no line cpu")
}

// ParseStall reads the text of a file in /proc/pressure.
func ParseStall(text string) (Stall, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "some "); ok {
			return parseStall(rest)
		}
	}
	return Stall{}, fmt.Errorf("there is no line some")
}

func parseStall(rest string) (Stall, error) {
	var s Stall
	found := 0
	for field := range strings.FieldsSeq(rest) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "avg10":
			percent, err := strconv.ParseFloat(value, 64)
			if err != nil || !(percent >= 0 && percent <= 100) {
				return Stall{}, fmt.Errorf("avg10=%q is no percentage", value)
			}
			s.Avg10 = Part(percent / 100)
		case "total":
			us, err := strconv.ParseUint(value, 10, 64)
			if err != nil || us > math.MaxInt64/1000 {
				return Stall{}, fmt.Errorf("total=%q is no number of microseconds", value)
			}
			s.Total = time.Duration(us) * time.Microsecond
		default:
			continue
		}
		found++
	}
	if found != 2 {
		return Stall{}, fmt.Errorf("line some: avg10 and total belong there, once each")
	}
	return s, nil
}

// ParseDisks reads the text of /proc/diskstats: the counters of each device by
// its name, such as "sda" and "sda1".
func ParseDisks(text string) (map[string]DiskCounters, error) {
	disks := map[string]DiskCounters{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 14 {
			return nil, fmt.Errorf("line %q: %d fields, at least 14 belong there", strings.TrimSpace(line), len(fields))
		}
		n, err := numbers(fields[3:14])
		if err != nil {
			return nil, fmt.Errorf("disk %s: %w", fields[2], err)
		}
		took := n[3] + n[7] // milliseconds; may wrap, as kernels count in 32 bits
		if took > math.MaxInt64/uint64(time.Millisecond) {
			return nil, fmt.Errorf("disk %s: its I/Os took %d ms", fields[2], took)
		}
		disks[fields[2]] = DiskCounters{Done: n[0] + n[4], Took: time.Duration(took) * time.Millisecond, UnderWay: n[8]}
	}
	return disks, nil
}

// ParseThrottled reads the text of a control group's cpu.stat: in how many periods
// the group was held back, as it had used up its CPU quota. A group that can have
// none, such as the first one, is 0.
func ParseThrottled(text string) (periods uint64, err error) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "nr_throttled" {
			continue
		}
		if periods, err = strconv.ParseUint(value, 10, 64); err != nil {
			return 0, fmt.Errorf("nr_throttled %q is no number", value)
		}
	}
	return periods, nil
}

// ParseInterface reads what a network interface has moved from the text of
// /proc/net/dev.
func ParseInterface(text, name string) (Moved, error) {
	for line := range strings.Lines(text) {
		own, counts, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(own) != name {
			continue
		}
		const received, sent, all = 0, 8, 16
		fields := strings.Fields(counts)
		if len(fields) < all {
			return Moved{}, fmt.Errorf("interface %s: %d numbers, %d belong there", name, len(fields), all)
		}
		n, err := numbers([]string{fields[received], fields[sent]})
		if err != nil {
			return Moved{}, fmt.Errorf("interface %s: %w", name, err)
		}
		return Moved{Down: amount(n[0]), Up: amount(n[1])}, nil
	}
	return Moved{}, fmt.Errorf("there is no interface %s", name)
}

// ParseCount reads a file of /sys with one number that is not negative, such as
// statistics/rx_bytes of a network interface.
func ParseCount(text string) (unit.Bytes, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no counter", text)
	}
	return amount(n), nil
}

// ParseSpeed reads the file speed of a network interface, in Mbit/s. What has
// no speed, as virtual interfaces and those without a cable, is 0: not known.
func ParseSpeed(text string) unit.Rate {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil || n <= 0 || n == math.MaxInt32 {
		return 0
	}
	return unit.Rate(n) * (1e6 / 8)
}

// DefaultInterface reads the text of /proc/net/route: the name of the interface
// that the default route with the lowest metric leads to, "" if there is none.
func DefaultInterface(text string) string {
	const destination, metric, mask = 1, 6, 7
	name, best := "", uint64(math.MaxUint64)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) <= mask || fields[destination] != "00000000" || fields[mask] != "00000000" {
			continue
		}
		if n, err := strconv.ParseUint(fields[metric], 10, 32); err == nil && n < best {
			name, best = fields[0], n
		}
	}
	return name
}

func numbers(fields []string) ([]uint64, error) {
	all := make([]uint64, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", f)
		}
		all[i] = n
	}
	return all, nil
}

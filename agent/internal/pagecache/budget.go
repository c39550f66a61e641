package pagecache

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

const (
	minBudget = 8 << 20
	maxBudget = 1 << 30
	share     = 32
)

// Budget is how many bytes a Trail may well keep in the cache: a 32nd of the
// memory that this process may use, 8 MiB to 1 GiB.
func Budget() int64 {
	return min(max(memory()/share, minBudget), maxBudget)
}

// memory is the machine's, or what a control group allows.
func memory() int64 {
	limit := int64(math.MaxInt64)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		limit = memTotal(string(b))
	}
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return limit
	}
	for _, file := range limitFiles(string(b)) {
		if b, err := os.ReadFile(file); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
				limit = min(limit, n)
			}
		}
	}
	return limit
}

// memTotal reads the first line of /proc/meminfo.
func memTotal(meminfo string) int64 {
	fields := strings.Fields(meminfo)
	if len(fields) < 2 {
		return math.MaxInt64
	}
	kib, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return kib << 10
}

// limitFiles are the files that may hold the limits of a process's control groups,
// from /proc/self/cgroup: those of its groups and all above them.
func limitFiles(cgroups string) []string {
	var files []string
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		top, name := "/sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			if fields[1] != "memory" {
				continue
			}
			top, name = top+"/memory", "memory.limit_in_bytes"
		}
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			files = append(files, path.Join(top, at, name))
			if at == "/" {
				break
			}
		}
	}
	return files
}

package restore

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/paths"
)

// mountsIn tells whether a filesystem is mounted on a path, and where below it.
func mountsIn(path string) (on bool, below []string, err error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, nil, fmt.Errorf("read the mounts: %w", err)
	}
	if parent, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(parent, filepath.Base(path))
	}
	for _, at := range pointsIn(string(table), path) {
		if at == path {
			on = true
		} else {
			below = append(below, at)
		}
	}
	return on, below, nil
}

// pointsIn lists the mount points at a path and below it: the fifth fields of
// proc_pid_mountinfo(5).
func pointsIn(table, path string) (points []string) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if at := unescape(fields[4]); paths.Contains(path, at) {
			points = append(points, at)
		}
	}
	return points
}

// unescape replaces \ooo by the byte with that octal number.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

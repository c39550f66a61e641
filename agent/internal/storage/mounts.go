package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/paths"
)

// checkMounts refuses a destination that is a mount point, which cannot be
// swapped, or that contains one, which a removal would empty.
func (d destination) checkMounts() error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("read the mounts: %w", err)
	}
	real := realPath(filepath.Join(d.root.real, d.parent, d.base))
	for _, at := range mountPoints(string(table)) {
		switch {
		case at == real:
			return &api.Error{Code: api.CodeInvalid, Subject: d.path, Message: "the destination is a mount point, which cannot be replaced (EBUSY)", Fix: "choose a path below it"}
		case paths.Contains(real, at):
			return &api.Error{Code: api.CodeInvalid, Subject: d.path, Message: "a filesystem is mounted inside the destination, at " + at, Fix: "unmount it, or choose another path"}
		}
	}
	return nil
}

// mountPoints reads the fifth field of each line of proc_pid_mountinfo(5).
func mountPoints(table string) []string {
	var points []string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, unescapeMount(fields[4]))
		}
	}
	return points
}

// unescapeMount replaces \ooo by the byte with that octal number.
func unescapeMount(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == '\\' && len(s) >= 4 {
			if v, err := strconv.ParseUint(s[1:4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				s = s[4:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

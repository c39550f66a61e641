package pgfiles

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PIDFile is what postmaster.pid says.
type PIDFile struct {
	PID       int // in the server's own PID namespace; negative for a single-user server
	Started   time.Time
	Port      int
	SocketDir string // the first one, "" if there is none
	Listen    string // the first address, "" if there is none
	Status    string // such as "ready" or "standby", "" if not said yet
}

// ParsePIDFile reads postmaster.pid (miscadmin.h, LOCK_FILE_LINE). The file grows
// while the server starts: only the number has to be there.
func ParsePIDFile(text string) (PIDFile, error) {
	lines := strings.Split(text, "\n")
	line := func(i int) string {
		if i < len(lines) {
			return strings.TrimSpace(lines[i])
		}
		return ""
	}
	var f PIDFile
	var err error
	if f.PID, err = strconv.Atoi(line(0)); err != nil {
		return PIDFile{}, fmt.Errorf("the number of the process: %w", err)
	}
	if f.PID == 0 {
		return PIDFile{}, errors.New("process 0")
	}
	if seconds, err := strconv.ParseInt(line(2), 10, 64); err == nil {
		f.Started = time.Unix(seconds, 0)
	}
	if port, err := strconv.ParseUint(line(3), 10, 16); err == nil {
		f.Port = int(port)
	}
	f.SocketDir, f.Listen, f.Status = line(4), line(5), line(7)
	return f, nil
}

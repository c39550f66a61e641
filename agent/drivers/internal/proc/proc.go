// Package proc finds the processes of an instance by the directory that they
// work in.
package proc

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a process of an instance.
type Process struct {
	PID, Parent, Group int
	Name               string // of its program, at most 15 bytes
}

// ErrHidden says that this user may not see which directory some process of the
// directory's owner works in.
var ErrHidden = errors.New("the working directory of a process is hidden from this user")

// Within lists the processes whose working directory is dir, in the order of
// their numbers. Directories are compared by device and inode: a process may see
// dir under another name, in a mount namespace of its own. A process in a PID
// namespace below this one is found under the number that it has here. No such
// directory means no process.
//
// The error is ErrHidden if none was found and there are processes of dir's
// owner that this user may not look at.
func Within(dir string) ([]Process, error) {
	want, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pids, err := numbers()
	if err != nil {
		return nil, err
	}
	var found []Process
	hidden := 0
	for _, pid := range pids {
		switch cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid)); {
		case err == nil && os.SameFile(cwd, want):
			if p, ok := look(pid); ok {
				found = append(found, p)
			}
		case errors.Is(err, fs.ErrPermission) && sameOwner(pid, want) && works(pid):
			hidden = pid
		}
	}
	if len(found) == 0 && hidden != 0 {
		return nil, fmt.Errorf("process %d: %w", hidden, ErrHidden)
	}
	slices.SortFunc(found, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	return found, nil
}

// Below lists the processes that pid started, and those that they started, in the
// same process group as pid.
func Below(pid int) ([]Process, error) {
	pids, err := numbers()
	if err != nil {
		return nil, err
	}
	children := map[int][]Process{}
	for _, other := range pids {
		if p, ok := look(other); ok {
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	top, ok := look(pid)
	if !ok {
		return nil, nil
	}
	var found []Process
	for todo := children[pid]; len(todo) > 0; todo = todo[1:] {
		if todo[0].Group == top.Group {
			found = append(found, todo[0])
		}
		todo = append(todo, children[todo[0].PID]...)
	}
	return found, nil
}

// numbers are those of all processes.
func numbers() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(entries))
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Leader is the process that is no child of another one in ps, and of several
// the one with the number preferred, or else the first. ok is false for none.
func Leader(ps []Process, preferred int) (leader Process, ok bool) {
	for _, p := range ps {
		if slices.ContainsFunc(ps, func(q Process) bool { return q.PID == p.Parent }) {
			continue
		}
		if !ok || p.PID == preferred {
			leader, ok = p, true
		}
	}
	return leader, ok
}

// works is false for a process that is ending: it has no directory any more, and
// no arguments either. Init hides itself on some machines and is no database.
func works(pid int) bool {
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(arguments) > 0 && pid != 1
}

func sameOwner(pid int, dir fs.FileInfo) bool {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil && info.Sys().(*syscall.Stat_t).Uid == dir.Sys().(*syscall.Stat_t).Uid
}

// look reads what there is to know of a process; ok is false if it is gone or
// has ended and waits for its parent.
func look(pid int) (p Process, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	return parseStat(string(data))
}

// Began is when a process began, ok false if there is none. The kernel tells it in
// hundredths of a second since the machine was started, and that in seconds.
func Began(pid int) (at time.Time, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return at, false
	}
	if _, ok := parseStat(string(data)); !ok {
		return at, false
	}
	const began = 19 // field 22, counted behind the name
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) <= began {
		return at, false
	}
	ticks, err := strconv.ParseInt(fields[began], 10, 64)
	if err != nil {
		return at, false
	}
	boot, ok := booted()
	return boot.Add(time.Duration(ticks) * 10 * time.Millisecond), ok
}

func booted() (time.Time, bool) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}
	_, rest, _ := strings.Cut(string(data), "\nbtime ")
	line, _, _ := strings.Cut(rest, "\n")
	seconds, err := strconv.ParseInt(line, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// parseStat reads a line of /proc/PID/stat: the number, the name in parentheses
// (which may contain anything), the state, the numbers of parent and process group.
func parseStat(line string) (p Process, ok bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return p, false
	}
	rest := strings.Fields(line[end+1:])
	if len(rest) < 3 || rest[0] == "Z" || rest[0] == "X" {
		return p, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line[:open]))
	if err != nil {
		return p, false
	}
	parent, err := strconv.Atoi(rest[1])
	if err != nil {
		return p, false
	}
	group, err := strconv.Atoi(rest[2])
	if err != nil {
		return p, false
	}
	return Process{PID: pid, Parent: parent, Group: group, Name: line[open+1 : end]}, true
}

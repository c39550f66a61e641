package conformance

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// snapshot describes each file of a tree: mode, size, time of change, content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = fmt.Sprintf("%v %d %v", info.Mode(), info.Size(), info.ModTime())
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[path] += fmt.Sprintf(" %x", sha256.Sum256(content))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// regularFiles returns the paths in dir, relative to it, of files with content.
func regularFiles(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		found = append(found, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// usersOf lists the processes that have something in dir open or name it in their
// arguments, but for this one.
func usersOf(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	for pid := range processes(t) {
		command, err := os.ReadFile(procFile(pid, "cmdline"))
		if err != nil {
			continue // it ended
		}
		uses := strings.Contains(string(command), dir)
		open, err := filepath.Glob(procFile(pid, "fd/*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range open {
			to, err := os.Readlink(fd)
			uses = uses || err == nil && strings.HasPrefix(to, dir)
		}
		if uses {
			found = append(found, fmt.Sprintf("%d: %s", pid, strings.ReplaceAll(string(command), "\x00", " ")))
		}
	}
	return found
}

// processes returns those that run, with the number of the process above each,
// without this one.
func processes(t *testing.T) map[int]int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		stat, err := os.ReadFile(procFile(pid, "stat"))
		if err != nil {
			continue // it ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		if all[pid], err = strconv.Atoi(fields[1]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// processOf returns the number of the driver's process that this one started. An
// agent gives it no arguments, which tells it from a server of the same program.
func processOf(t *testing.T, program string) int {
	t.Helper()
	for pid, parent := range processes(t) {
		command, err := os.ReadFile(procFile(pid, "cmdline"))
		if err == nil && parent == os.Getpid() && string(command) == program+"\x00" {
			return pid
		}
	}
	t.Fatal("the driver's process is not found")
	return 0
}

func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

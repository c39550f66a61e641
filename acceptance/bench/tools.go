package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// tools are the programs that are measured.
type tools struct {
	self      string
	rackswarm string
	anacrolix string
	rtorrent  string
	aria2     string
	python    string // one that has libtorrent
	dir       string // of the certificates
}

// findTools looks for the programs; what is missing is an error when a system
// needs it, and named there.
func findTools(bin string) (*tools, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	t := &tools{self: self, rackswarm: filepath.Join(bin, "rackswarm"), anacrolix: filepath.Join(bin, "anacrolix-peer"), rtorrent: "rtorrent", aria2: "aria2c"}
	// Debian's own Python is the one that has Debian's modules.
	t.python = "/usr/bin/python3"
	if _, err := os.Stat(t.rackswarm); err != nil {
		return nil, fmt.Errorf("%w; run make bench", err)
	}
	return t, nil
}

func (t *tools) pki(name string) string { return filepath.Join(t.dir, "pki", name) }

// versions says what was measured.
func (t *tools) versions() map[string]string {
	all := map[string]string{"go": runtime.Version()}
	for name, args := range map[string][]string{
		"rackswarm":  {t.rackswarm, "version"},
		"rtorrent":   {t.rtorrent, "-h"},
		"aria2":      {t.aria2, "--version"},
		"rsync":      {"rsync", "--version"},
		"libtorrent": {t.python, "-c", "import libtorrent; print(libtorrent.version)"},
	} {
		out, err := exec.Command(args[0], args[1:]...).Output()
		line, _, _ := strings.Cut(string(out), "\n")
		if err != nil && line == "" {
			line = "missing: " + err.Error()
		}
		all[name] = strings.TrimSuffix(strings.TrimSpace(line), ".")
	}
	return all
}

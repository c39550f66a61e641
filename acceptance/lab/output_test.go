package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
)

// At the end, below the tables, stands where the reports are.
func TestTheEndSaysWhereTheReportsAre(t *testing.T) {
	s, err := scenario.Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	report, err := sim.Run(s, sim.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var stdout strings.Builder
	tried := &trial{scenario: s}
	l := &lab{options: options{out: t.TempDir()}, stdout: &stdout, trials: []*trial{tried}, results: []result{{job{tried, sim.System, 1, 0}, report, nil}}}
	if err := l.conclude(); err != nil {
		t.Fatal(err)
	}
	if end := "\nThe reports are in " + l.out + ".\n"; !strings.HasSuffix(stdout.String(), end) {
		t.Errorf("the end is not %q:\n%s", end, stdout.String())
	}
	for _, name := range []string{"summary.json", "plot.svg"} {
		if _, err := os.Stat(filepath.Join(l.out, name)); err != nil {
			t.Error(err)
		}
	}
}

// The exit code tells a wrong file from receivers that failed.
func TestAWrongFileExitsAsWrongFlagsDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(file, []byte("artifact: {sise: 8MB}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + ".missing"} {
		if code := run(options{files: []string{name}}); code != 2 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

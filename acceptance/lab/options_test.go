package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// What others notice is told beside a run without any distribution, which comes first in
// each repetition, and of which is said that it was added.
func TestTheBaselineIsAddedWhereThereAreOthers(t *testing.T) {
	const probes, background = "probes: [{from: r1/1, to: r2/1}]\n", "background: [{from: r1/1, to: r2/1, rate: 1Mbit}]\n"
	for _, c := range []struct {
		args, others string
		want         []string
		added        bool
	}{
		{"", "", []string{"rackswarm"}, false},
		{"", probes, []string{"none", "rackswarm"}, true},
		{"-systems rackswarm,http -reps 2", background, []string{"none", "rackswarm", "http", "none", "rackswarm", "http"}, true},
		{"-systems rackswarm,none", probes, []string{"rackswarm", "none"}, false},
		{"-no-baseline", probes + background, []string{"rackswarm"}, false},
	} {
		o, err := parseOptions(append(strings.Fields(c.args), "x.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse("small.yaml", []byte(small+c.others))
		if err != nil {
			t.Fatal(err)
		}
		systems, said := planned(t, o, s)
		if added := strings.Contains(said, "small: none is run as well"); !slices.Equal(systems, c.want) || added != c.added {
			t.Errorf("%q with %q: %v, want %v; it says: %s", c.args, c.others, systems, c.want, said)
		}
	}
}

// planned are the systems of the runs that follow from options, and what is said of it.
func planned(t *testing.T, o options, s *scenario.Scenario) (systems []string, said string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l := &lab{options: o, dir: t.TempDir(), progress: newProgress(log)}
	jobs, err := l.plan([]*scenario.Scenario{s})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		systems = append(systems, j.system)
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return systems, string(text)
}

// Agents are started in directories of their own.
func TestTheAgentsDirectoryIsAbsolute(t *testing.T) {
	want, err := filepath.Abs("agents")
	if err != nil {
		t.Fatal(err)
	}
	o, err := parseOptions([]string{"-bin", "agents", "a.yaml"})
	if err != nil || o.bin != want {
		t.Errorf("-bin agents is %q, %v; want %q", o.bin, err, want)
	}
}

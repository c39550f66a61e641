package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/acceptance/show"
)

func TestScheduleIsDueInAMoment(t *testing.T) {
	minute := time.Date(2026, time.November, 22, 23, 59, 0, 0, time.UTC)
	for second, want := range map[time.Duration]time.Time{0: minute.Add(time.Minute), 54: minute.Add(time.Minute), 56: minute.Add(2 * time.Minute)} {
		if got := nextMinute(minute.Add(second * time.Second)); !got.Equal(want) {
			t.Errorf("%d s after the minute it is due at %v, want %v", second, got, want)
		}
	}
}

// Output comes in any parts; it is shown in lines, and what is left out is kept for
// errors.
func TestLines(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	l := &lines{out: show.New(out, "/nowhere"), view: short}
	for _, part := range []string{"ab", "c\n------+---", "\n\nd  \n", "last"} {
		if n, err := io.WriteString(l, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.flush()
	shown, err := os.ReadFile(out.Name())
	if err != nil || string(shown) != "   abc\n   d\n   last\n" {
		t.Errorf("shown: %q, %v", shown, err)
	}
	if l.hidden.String() != "------+---\n" || l.all.String() != "abc\n------+---\n\nd  \nlast" {
		t.Errorf("hidden: %q of %q", l.hidden.String(), l.all.String())
	}
}

func TestPlayedHasNoStars(t *testing.T) {
	for line, want := range map[string]string{"TASK [Seed] " + strings.Repeat("*", 40): "TASK [Seed]", strings.Repeat("*", 9): "", "changed: [db2]": "changed: [db2]"} {
		if got := played(line); got != want {
			t.Errorf("%q is shown as %q", line, got)
		}
	}
}

// The example is about the database as the demo's hosts have it.
func TestExampleFitsTheHosts(t *testing.T) {
	d := &demo{options: options{top: "../.."}, db: map[string]*dbhost.Instance{"db1": nil}}
	all, err := d.settings()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(all["db1"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{dbhost.Data, dbhost.Bin, "passfile=" + dbhost.PassFile, dbhost.Drivers, dbhost.Database + ":"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the example says nothing of %s:\n%s", want, text)
		}
	}
}

package restore_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

var update = flag.Bool("update", false, "write what the stories bring about into them")

// A story is a fleet, a request and what goes wrong; below the line stands what
// everybody does:
//
//	node NAME LOCATION KIND [healthy] [free=BYTES] [cluster=ID] [driver=NAME] [mountpoint] [outside=DIR]
//	backup ID NODE...            a backup of main that stands, taken two days ago
//	run source=NODE|backup=ID [copies=N keep=N on=NODE,...] [as=replica|standalone] [to=NODE,...] [FLAG...]
//	fail NODE OP CODE [retry] [times]
//	when NODE STATE: EVENT       abort, down NODE, up NODE, pinlost NODE, sick NODE, promote NODE, nocopy NODE CODE
//	EVENT                        before anything happens
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			given, want, _ := strings.Cut(string(text), "----\n")
			got := tell(t, given)
			if *update {
				if err := os.WriteFile(file, []byte(given+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("it went otherwise:\n%s", got)
			}
		})
	}
}

// story is one that is being told.
type story struct {
	*world
	t     *testing.T
	when  []condition
	start bool // NewRun succeeded
}

type condition struct {
	node, state string
	event       []string
}

func tell(t *testing.T, given string) string {
	s := &story{world: newWorld(), t: t}
	for _, line := range strings.Split(given, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			s.line(line, words)
		}
	}
	if s.start {
		s.play()
	}
	return strings.Join(s.trace, "\n") + "\n"
}

func (s *story) line(line string, words []string) {
	switch words[0] {
	case "node":
		s.node(words[1:])
	case "backup":
		b := api.Backup{ID: words[1], Database: "main", Run: "earlier", Digest: "sha256:" + strings.Repeat("cd", 32), TakenAt: start.AddDate(0, 0, -2),
			VerifiedAt: start.AddDate(0, 0, -2), Copies: words[2:],
			Content: api.BackupContent{Driver: "postgres", Version: "15.18", Architecture: "x86_64", ClusterID: "c1", DataBytes: 1000}}
		s.backup[b.ID] = b
	case "run":
		if err := s.begin(s.request(words[1:])); err != nil {
			s.note("refused: %v", err)
		} else {
			s.start = true
		}
	case "fail":
		r := Result{Err: &api.Error{Code: words[3], Message: "it did not work"}, Retry: slices.Contains(words, "retry")}
		times, err := strconv.Atoi(words[len(words)-1])
		if err != nil {
			times = 1
		}
		m := s.nodes[words[1]]
		for range times {
			m.faults[Op(words[2])] = append(m.faults[Op(words[2])], r)
		}
	case "when":
		head, event, _ := strings.Cut(line, ":")
		at := strings.Fields(head)
		s.when = append(s.when, condition{node: at[1], state: at[2], event: strings.Fields(event)})
	default:
		s.event(words)
	}
}

func (s *story) node(words []string) {
	kind := words[2]
	if kind == "none" {
		kind = ""
	}
	m := s.add(words[0], words[1], strings.TrimPrefix(kind, "was-"))
	if kind == "was-replica" {
		m.kind, m.data, m.running, m.was, m.replica = api.DatabaseStopped, "old", "", true, true
	}
	for _, w := range words[3:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "healthy":
			m.healthy = true
		case "free":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			m.probe.FreeBytes = n
		case "cluster":
			m.probe.ClusterID = value
		case "data":
			m.probe.DataDir = value
		case "programs":
			m.probe.ProgramVersion = value
		case "mountpoint":
			m.probe.Mountpoint = true
		case "outside":
			m.probe.Outside = []string{value}
		default:
			s.t.Fatalf("node: %q", w)
		}
	}
}

func (s *story) request(words []string) api.RunRequest {
	r := api.RunRequest{Database: "main"}
	restore := func() *api.Restore {
		if r.Restore == nil {
			r.Restore = &api.Restore{As: api.AsReplica}
		}
		return r.Restore
	}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		number, _ := strconv.Atoi(value)
		switch key {
		case "source":
			r.Source = value
		case "backup":
			r.Backup = value
		case "copies":
			r.Copies = &api.Copies{Count: number, Path: "/srv/backups"}
		case "keep":
			r.Copies.KeepOnly.Last = number
		case "on":
			r.Copies.Selector.NodeNames = strings.Split(value, ",")
		case "as":
			restore().As = value
		case "to":
			restore().Selector.NodeNames = strings.Split(value, ",")
		case "max_unavailable":
			restore().MaxUnavailable = number
		case "force":
			restore().Force = true
		case "allow_primary":
			restore().AllowPrimary = true
		case "allow_stopped":
			restore().AllowStopped = true
		default:
			s.t.Fatalf("run: %q", w)
		}
	}
	return r
}

func (s *story) event(words []string) {
	s.note("! %s", strings.Join(words, " "))
	if words[0] == "abort" {
		s.run.Aborting = true
		return
	}
	m := s.nodes[words[1]]
	switch words[0] {
	case "down":
		m.down = true
		m.kill()
	case "up":
		m.down = false
	case "reboot": // the machine's init starts what stands
		m.kill()
		m.running = m.data
	case "pinlost":
		m.pinLost = true
	case "sick":
		m.sick = true
	case "fatal":
		m.sick, m.fatal = true, true
	case "promote":
		m.replica, m.kind = false, api.DatabasePrimary
	case "nocopy":
		m.blocked = words[2]
	default:
		s.t.Fatalf("event: %q", words)
	}
}

// play goes on until the run has ended and nobody has anything to do.
func (s *story) play() {
	for range 50 {
		var due *condition
		s.settle(func() bool {
			due = s.due()
			return due != nil || s.idle()
		})
		if due == nil {
			break
		}
		s.event(due.event)
		s.when = slices.DeleteFunc(s.when, func(c condition) bool { return &c == due || c.node == due.node && c.state == due.state })
	}
	for _, w := range s.wrong {
		s.t.Error(w)
	}
	if len(s.when) > 0 {
		s.t.Errorf("it never came to %v", s.when)
	}
	if !s.run.Phase.Finished() {
		s.t.Error("the run does not end")
	}
	if s.run.Error != nil {
		s.note("because %v", s.run.Error)
	}
	s.note("after %v", s.run.FinishedAt.Sub(start).Round(time.Second))
	for _, name := range s.names() {
		if m := s.nodes[name]; m.driver {
			s.note("%s", m)
		}
	}
}

func (s *story) due() *condition {
	for i, c := range s.when {
		if c.node == "run" && string(s.run.Phase) == c.state {
			return &s.when[i]
		}
		if m := s.nodes[c.node]; m != nil && m.disk != nil && string(m.reported().State) == c.state {
			return &s.when[i]
		}
	}
	return nil
}

// String says what stands on a node in the end.
func (m *machine) String() string {
	runs := m.running
	if runs == "" {
		runs = "nothing"
	}
	text := fmt.Sprintf("on %s %s runs", m.name, runs)
	if m.staged != "" {
		text += fmt.Sprintf(", %s beside", m.staged)
	}
	if m.pinned {
		text += ", with a pin"
	}
	if m.captures {
		text += ", with a capture"
	}
	return text
}

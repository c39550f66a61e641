package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// lineInterval is how often lines say how far a transfer is.
const lineInterval = 5 * time.Second

// lines is a view for files and pipes: a line for every change of a node's
// phase, and now and then one for the whole, if that has changed.
type lines struct {
	w      io.Writer
	now    func() time.Time
	phases map[string]string
	last   time.Time // when the whole was last shown
	wrong  string    // troubles of the source that were shown
	held   string    // what was shown of holds
	whole  string    // what was shown of the whole
}

func newLines(w io.Writer, now func() time.Time) *lines {
	return &lines{w: w, now: now, phases: map[string]string{}, last: now()}
}

func (l *lines) show(st api.Status) {
	if wrong := strings.Join(troubles(st), "\n"); wrong != l.wrong {
		if l.wrong = wrong; wrong != "" {
			fmt.Fprintln(l.w, wrong)
		}
	}
	if held := strings.Join(heldLines(st), "\n"); held != l.held {
		if l.held = held; held == "" {
			held = st.Distribution.Name + ": goes on"
		}
		fmt.Fprintln(l.w, held)
	}
	for _, n := range st.Nodes {
		state := string(n.Phase)
		if more := remarks(n); more != "" {
			state += " (" + more + ")"
		}
		if l.phases[n.Node] != state {
			l.phases[n.Node] = state
			fmt.Fprintf(l.w, "%s %s: %s\n", clean(n.Node), place(n.Location), clean(state))
		}
	}
	if now := l.now(); now.Sub(l.last) >= lineInterval {
		l.last = now
		if whole := wholeLine(st); whole != l.whole {
			l.whole = whole
			fmt.Fprintln(l.w, whole)
		}
	}
}

func (l *lines) close() {}

// wholeLine says how far all nodes together are.
func wholeLine(st api.Status) string {
	done, total, rate := sums(st)
	return fmt.Sprintf("%s: %d of %d nodes, %s of %s, %s", st.Distribution.Name, st.Summary.Converged, st.Summary.Targets, percent(done, total), size(total), unit.Rate(rate))
}

// troubles say what is wrong with sources of the artifact that is still wanted
// somewhere.
func troubles(st api.Status) []string {
	if st.Artifact == nil || st.Summary.Done {
		return nil
	}
	var all []string
	for _, t := range st.Artifact.Troubles {
		all = append(all, troubleOf(t))
	}
	return all
}

// troubleOf says what is wrong with one source.
func troubleOf(t api.SeedTrouble) string {
	return clean(fmt.Sprintf("source on %s: %s: %s", t.Node, t.Error.Subject, t.Error.Message))
}

// heldLines say who keeps a distribution from moving that is still wanted somewhere.
func heldLines(st api.Status) []string {
	if st.Summary.Done {
		return nil
	}
	var all []string
	for _, h := range st.Holds {
		all = append(all, clean(st.Distribution.Name+": "+h.String()+"; "+h.Reason().Fix))
	}
	return all
}

// sums adds up what the nodes have and are to have, and their rates.
func sums(st api.Status) (done, total, rate int64) {
	for _, n := range st.Nodes {
		done, total, rate = done+n.BytesDone, total+n.BytesTotal, rate+n.Rate
	}
	return done, total, rate
}

// remarks are what is worth knowing about a node beside its phase.
func remarks(n api.NodeStatus) string {
	switch {
	case n.Unreachable:
		return "down"
	case n.Error != nil && n.Error.Subject != "":
		return n.Error.Subject + ": " + n.Error.Message
	case n.Error != nil:
		return n.Error.Message
	case n.Held != nil:
		return n.Held.String()
	case n.Waiting != "":
		return "waiting: " + n.Waiting
	case n.Drifted:
		return "repairing"
	case n.Kept != "":
		return "keeps another version, " + unit.Bytes(n.KeptBytes).String()
	}
	return ""
}

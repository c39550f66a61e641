package acceptance

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// total is what all nodes have received of a distribution.
func total(f *fleet.Fleet, name string) (sum int64) {
	for _, n := range status(f, name).Nodes {
		sum += received(n)
	}
	return sum
}

// An urgent distribution goes before one that is on its way already, which goes on
// afterwards from where it was.
func TestUrgentGoesFirst(t *testing.T) {
	t.Parallel()
	f, src, dest := slowFleet(t, fleet.Options{})
	// So slow that the limit is what binds on a busy machine, too: what is urgent leaves
	// what it cannot use.
	f.CLI("limit", "--upload", "256KiB/s")
	const size = 2 << 20
	urgent := filepath.Join(t.TempDir(), "hotfix")
	random(t, urgent, size, 0o644)
	f.CLI("distribute", "hotfix", "--source", urgent, "--path", filepath.Join(f.Root, "hotfix"), "--priority", "urgent")
	for _, a := range f.Agents()[1:] {
		awaitOn(t, f, "hotfix", a, "fetches", func(n api.NodeStatus) bool { return received(n) > 0 })
	}
	data, hotfix := total(f, "data"), total(f, "hotfix")
	waits, yields := false, false
	seed := f.Agents()[0].Name
	for !status(f, "hotfix").Summary.Done {
		e, err := f.Client().Explain(t.Context(), "data")
		must(t, err)
		for _, n := range e.Nodes {
			waits = waits || slices.ContainsFunc(n.Reasons, func(r api.Reason) bool { return r.Code == api.ReasonPriority && r.Subject == "hotfix" })
			yields = yields || n.Node == seed && slices.ContainsFunc(n.Reasons, func(r api.Reason) bool { return r.Code == api.ReasonPriority })
		}
		time.Sleep(200 * time.Millisecond)
	}
	data, hotfix = total(f, "data")-data, total(f, "hotfix")-hotfix
	if data > hotfix/2 { // half and half if neither went first
		t.Errorf("while %d bytes of what is urgent came, so did %d of the other", hotfix, data)
	}
	if !waits || !yields {
		t.Errorf("explain said what the other waits for: %v; and on the seed why it sends less of it: %v", waits, yields)
	}
	f.CLI("limit", "--clear")
	awaitInstalled(t, f, "data")
	wantSame(t, src, dest, f.Agents()...)
}

// A window that is closed keeps a transfer that runs from moving, says so, and lets it
// go on from where it was when it is opened.
func TestWindowClosesInTheMiddle(t *testing.T) {
	t.Parallel()
	f, src, dest := slowFleet(t, fleet.Options{})
	stated := []string{"distribute", "data", "--source", src, "--path", dest}
	f.CLI(append(stated, "--window", "daily 00:00-24:00 0")...)
	for _, a := range f.Agents()[1:] {
		awaitOn(t, f, "data", a, "names the window", func(n api.NodeStatus) bool {
			return len(n.Reasons) > 0 && n.Reasons[0].Code == api.ReasonLimit && strings.Contains(n.Reasons[0].Subject, `the window "daily 00:00-24:00 0" of distribution data`)
		})
	}
	awaitStill(t, f)
	if st := status(f, "data"); st.Summary.Done || st.Distribution.Generation != 1 {
		t.Errorf("with the window closed: %+v", st)
	}
	f.CLI(append(stated, "--window", "daily 00:00-24:00 0", "--window", "daily 00:00-24:00 unlimited")...) // the lowest counts
	awaitStill(t, f)
	if status(f, "data").Summary.Done {
		t.Error("a higher rate of another window lets it go on")
	}
	f.CLI(append(stated, "--window", "daily 00:00-24:00 50MiB/s")...)
	awaitInstalled(t, f, "data")
	wantSame(t, src, dest, f.Agents()...)
	for _, a := range f.Agents()[1:] {
		if n := on(t, f, "data", a); received(n) > 26<<20 {
			t.Errorf("%s received %d bytes for 24 MiB", a.Name, received(n))
		}
	}
}

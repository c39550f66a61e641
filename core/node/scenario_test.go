package node_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Every file of testdata is a story: what stands where, what happens, and after
// the line "----" what must have come of it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			for n := range seeds(t, file) {
				runScenario(t, file, n)
			}
		})
	}
}

// seeds is how many times a story is told, each time with another seed: what chance
// moves much is to hold in all of them.
func seeds(t *testing.T, file string) (n int) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\nseeds ")
	if !ok {
		return 1
	}
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("%s: seeds: %v", file, err)
	}
	return n
}

// seed is that of a story told for the nth time.
func seed(file string, n int) uint64 {
	if n == 0 {
		return unit.Seed(file)
	}
	return unit.Seed(file, strconv.Itoa(n))
}

type scenario struct {
	*fleet
	t      *testing.T
	limit  unit.Time
	expect bool
}

func runScenario(t *testing.T, file string, nth int) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &scenario{fleet: newFleet(seed(file, nth), nil), t: t}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := s.line(strings.Fields(line)); err != nil {
			t.Errorf("%s:%d, seed %d: %s: %v", file, n, nth, line, err)
		}
	}
	if !s.expect {
		t.Fatalf("%s expects nothing", file)
	}
	if t.Failed() {
		t.Logf("at %v:\n%scrossed %v", time.Duration(s.now), s.describe(), s.crossed)
	}
}

func (s *scenario) line(w []string) error {
	switch {
	case w[0] == "----":
		s.expect = true
		s.play(s.limit)
		return nil
	case s.expect:
		return s.check(w)
	}
	switch w[0] {
	case "seeds": // seeds 8
		return nil
	case "spans": // spans 64 x 256KiB
		return s.spans(w)
	case "node": // node a ams/r1 [initial] [full] [corrupt] [silent] [up=10Mbit] [download=8Mbit] [upload=8Mbit]
		return s.node(w)
	case "link": // link ams/r1 10Mbit: its uplink, each way
		rate, err := unit.ParseRate(w[2])
		s.uplinks[unit.Location(w[1])] = &uplink{rate: rate}
		return err
	case "strategy": // strategy without overlay division stealing latency, or: strategy picker rarest
		return s.set(w[1:])
	case "at": // at 2s kill a; pause a holds its transfer, free a ends that
		return s.at(w)
	case "until": // until 60s
		d, err := time.ParseDuration(w[1])
		s.limit = unit.Time(d)
		return err
	}
	return fmt.Errorf("unknown word %q", w[0])
}

func (s *scenario) spans(w []string) error {
	n, err := strconv.Atoi(w[1])
	if err != nil {
		return err
	}
	size, err := unit.ParseBytes(w[3])
	for range n {
		s.lengths = append(s.lengths, int32(size))
	}
	return err
}

func (s *scenario) node(w []string) error {
	loc, err := unit.ParseLocation(w[2])
	if err != nil {
		return err
	}
	h := &host{id: unit.NodeID(w[1]), location: loc, up: unit.Rate(125e6)}
	for _, opt := range w[3:] {
		name, rate, isRate := strings.Cut(opt, "=")
		switch {
		case isRate:
			if err := s.rate(h, name, rate); err != nil {
				return err
			}
		case opt == "initial":
			h.initial = true
		case opt == "full": // has everything from the start
			h.full = true
		case opt == "corrupt":
			h.corrupt = true
		case opt == "silent": // gives no leaves
			h.refuses = true
		case opt == "later": // started by an event
			h.born = -1
		default:
			return fmt.Errorf("unknown option %q", opt)
		}
	}
	s.add(h)
	return nil
}

// set changes the strategy of all hosts.
func (s *scenario) set(w []string) (err error) {
	if w[0] == "picker" {
		s.strategy.Picker, err = swarm.ParsePicker(w[1])
		return err
	}
	switches := map[string]*bool{
		"overlay": &s.strategy.Overlay, "division": &s.strategy.Division,
		"stealing": &s.strategy.Stealing, "latency": &s.strategy.LowLatency,
	}
	for _, name := range w[1:] {
		at, ok := switches[name]
		if !ok {
			return fmt.Errorf("unknown switch %q", name)
		}
		*at = false
	}
	return nil
}

// rate sets what a host's link sends, or a limit of its agent.
func (s *scenario) rate(h *host, name, value string) error {
	rates := map[string]*unit.Rate{"up": &h.up, "download": &h.download, "upload": &h.upload}
	r, ok := rates[name]
	if !ok {
		return fmt.Errorf("unknown rate %q", name)
	}
	var err error
	*r, err = unit.ParseRate(value)
	return err
}

func (s *scenario) at(w []string) error {
	d, err := time.ParseDuration(w[1])
	if err != nil {
		return err
	}
	subject := unit.NodeID(w[3])
	do, ok := map[string]func(){
		"kill":   func() { s.kill(s.hosts[subject]) },
		"start":  func() { s.start(s.hosts[subject]) },
		"lose":   func() { s.lose(s.hosts[subject], w[4:]) },
		"change": func() { s.change(s.hosts[subject], w[4:]) },
		"stop":   func() { s.storeDown() },
		"resume": func() { s.storeUp() },
		"pause":  func() { s.hold(s.hosts[subject], 0) },
		"free":   func() { s.hold(s.hosts[subject], unit.Unlimited) },
	}[w[2]]
	if !ok {
		return fmt.Errorf("unknown event %q", w[2])
	}
	s.after(d, do)
	return nil
}

// hold has a host's transfer limited, as by its operator.
func (s *scenario) hold(h *host, rate unit.Rate) {
	s.step(h, limited(s.digest, rate, rate))
}

// change changes spans on a host's disk in place, unseen by its agent.
func (s *scenario) change(h *host, spans []string) {
	for _, w := range spans {
		first, last, _ := strings.Cut(w, "-")
		x, err := strconv.Atoi(first)
		y, err2 := strconv.Atoi(cmp.Or(last, first))
		if err = errors.Join(err, err2); err != nil {
			s.t.Fatal(err)
		}
		for ; x <= y; x++ {
			h.changed.Set(x)
		}
	}
}

// lose takes spans from a host's disk.
func (s *scenario) lose(h *host, spans []string) {
	for _, w := range spans {
		x, err := strconv.Atoi(w)
		if err != nil {
			s.t.Fatal(err)
		}
		h.disk.Clear(x)
	}
	h.doneAt = unit.Never
	s.step(h, contentChanged(s.digest, h.disk))
}

// check compares one expectation: "complete a b", "incomplete a", "all
// complete", "copies ams/r1 <= 1.1", "seeding <= 1.2", "representatives ams/r1
// <= 2", "muted bad by a", "unmuted s" (by nobody), "suspected bad by a",
// "unsuspected s" (by nobody), "verified s <= 40" (spans that it hashed again),
// "vain a = bad" (a threw away what bad sent, and no more), "last <= 3s", "done a b
// <= 1s", "once a" (no span stored twice).
func (s *scenario) check(w []string) error {
	switch w[0] {
	case "all":
		return s.completed(s.order)
	case "complete":
		return s.completed(nodeIDs(w[1:]))
	case "incomplete":
		if s.completed(nodeIDs(w[1:])) == nil {
			return fmt.Errorf("complete")
		}
		return nil
	case "copies":
		return atMost(float64(s.crossed[unit.Location(w[1])])/float64(s.size()), w[3])
	case "seeding":
		return atMost(s.seeding(), w[2])
	case "representatives":
		return atMost(float64(s.maxSlots[unit.Location(w[1])]), w[3])
	case "muted":
		if !s.hosts[unit.NodeID(w[3])].muted[unit.NodeID(w[1])] {
			return fmt.Errorf("not muted")
		}
		return nil
	case "suspected":
		if !s.hosts[unit.NodeID(w[1])].suspectedBy[unit.NodeID(w[3])] {
			return fmt.Errorf("not suspected")
		}
		return nil
	case "unsuspected":
		if by := s.hosts[unit.NodeID(w[1])].suspectedBy; len(by) > 0 {
			return fmt.Errorf("suspected by %v", by)
		}
		return nil
	case "vain":
		st, _ := s.hosts[unit.NodeID(w[1])].machine.Status(s.digest)
		if got, want := int64(st.Counters.Duplicate), s.hosts[unit.NodeID(w[3])].sent; got != want || got == 0 {
			return fmt.Errorf("%d bytes were in vain, %s sent %d", got, w[3], want)
		}
		return nil
	case "unmuted":
		for _, h := range s.hosts {
			if h.banned[unit.NodeID(w[1])] || h.muted[unit.NodeID(w[1])] {
				return fmt.Errorf("banned or muted by %s", h.id)
			}
		}
		return nil
	case "verified":
		return atMost(float64(s.hosts[unit.NodeID(w[1])].verified), w[3])
	case "done":
		return s.done(nodeIDs(w[1:len(w)-2]), w[len(w)-1])
	case "last":
		return s.done(s.order, w[2])
	case "once":
		return s.once(s.hosts[unit.NodeID(w[1])])
	}
	return fmt.Errorf("unknown expectation")
}

func nodeIDs(words []string) []unit.NodeID {
	var ids []unit.NodeID
	for _, w := range words {
		ids = append(ids, unit.NodeID(w))
	}
	return ids
}

func (s *scenario) completed(ids []unit.NodeID) error {
	for _, id := range ids {
		if h := s.hosts[id]; !h.disk.Full() || h.doneAt == unit.Never {
			return fmt.Errorf("%s has %d of %d spans", id, h.disk.Count(), len(s.lengths))
		}
	}
	return nil
}

func (s *scenario) seeding() float64 {
	var sent int64
	for _, h := range s.hosts {
		if h.initial {
			sent += h.sent
		}
	}
	return float64(sent) / float64(s.size())
}

func (s *scenario) done(ids []unit.NodeID, limit string) error {
	d, err := time.ParseDuration(limit)
	for _, id := range ids {
		if h := s.hosts[id]; h.doneAt > unit.Time(d) {
			return fmt.Errorf("%s was done at %v", id, time.Duration(h.doneAt))
		}
	}
	return err
}

func (s *scenario) once(h *host) error {
	if i := slices.IndexFunc(h.fetched, func(n int) bool { return n != 1 }); i >= 0 {
		return fmt.Errorf("span %d was stored %d times", i, h.fetched[i])
	}
	return nil
}

func atMost(got float64, limit string) error {
	max, err := strconv.ParseFloat(limit, 64)
	if err == nil && got > max {
		err = fmt.Errorf("it is %.3f", got)
	}
	return err
}

package restore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// world is a fleet with one run: what stands on the disks, what runs, and what
// the store knows. Nothing in it is decided but by the package under test.
type world struct {
	now    time.Time
	run    api.Run // as in the store
	dists  map[string]*api.Distribution
	status map[string]map[string]api.NodeStatus // by distribution, then node
	backup map[string]api.Backup
	nodes  map[string]*machine
	trace  []string
	wrong  []string // what must never happen, and did
}

// machine is a node with its disk and its database.
type machine struct {
	w        *world
	name     string
	location string
	down     bool
	driver   bool // has the database
	disk     []byte
	saved    Journal // what disk holds, read
	j        Journal // of the agent's process; zero if it does not run
	alive    bool    // the agent's process holds j

	kind     string // of the old database when it runs, or what stands
	data     string // what the data directory holds: "old", "new", "" for nothing
	staged   string // beside it
	running  string // "", "old", "new"
	was      bool   // the old database ran at the beginning
	replica  bool   // the old one, when it is stopped
	slots    int    // what Configure left on the primary
	captures bool
	pinned   bool
	pinLost  bool
	healthy  bool   // the follower replicates well now
	sick     bool   // the new database never becomes healthy
	fatal    bool   // and says so
	meddled  bool   // somebody else stopped it
	blocked  string // the code with which copies fail
	commit   bool   // GoalCommit was set once
	faults   map[Op][]Result
	probe    api.DatabaseState
}

var start = time.Date(2026, time.November, 22, 2, 0, 0, 0, time.UTC)

func newWorld() *world {
	return &world{now: start, dists: map[string]*api.Distribution{}, status: map[string]map[string]api.NodeStatus{},
		backup: map[string]api.Backup{}, nodes: map[string]*machine{}}
}

// add adds a node; kind is one of the api.Database kinds, "" for a node without
// the database.
func (w *world) add(name, location, kind string) *machine {
	m := &machine{w: w, name: name, location: location, driver: kind != "", kind: kind, data: "old", faults: map[Op][]Result{},
		probe: api.DatabaseState{Driver: "postgres", Engine: "PostgreSQL", Version: "15", ProgramVersion: "15.18", Architecture: "x86_64",
			ClusterID: "c1", DataDir: "/srv/pg/data", DataBytes: 1000, FreeBytes: 1 << 30, Owner: "postgres", Group: "postgres"}}
	switch kind {
	case api.DatabasePrimary, api.DatabaseReplica:
		m.running, m.was, m.replica = "old", true, kind == api.DatabaseReplica
	case api.DatabaseAbsent, "":
		m.data = ""
	}
	w.nodes[name] = m
	return m
}

func (w *world) names() []string { return slices.Sorted(maps.Keys(w.nodes)) }

func (w *world) fleet() []api.Node {
	var nodes []api.Node
	for _, name := range w.names() {
		m := w.nodes[name]
		n := api.Node{Name: name, Location: m.location, Alive: !m.down}
		if m.driver {
			n.Databases = map[string]string{"main": "postgres"}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (w *world) begin(req api.RunRequest) error {
	run, err := NewRun(req, "r1", w.fleet(), slices.Collect(maps.Values(w.backup)), w.now)
	w.run = run
	return err
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) fault(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *world) view() View {
	var reports []api.PartReport
	for _, name := range w.names() {
		if m := w.nodes[name]; m.disk != nil {
			reports = append(reports, m.reported())
		}
	}
	v := View{Run: Merge(w.run, reports, w.fleet()), Nodes: w.fleet(), Distributions: map[string]api.Status{}, Now: w.now}
	for name, d := range w.dists {
		s := api.Status{Distribution: *d}
		for _, n := range d.Selector.NodeNames {
			if st, ok := w.status[name][n]; ok {
				s.Nodes = append(s.Nodes, st)
			}
		}
		v.Distributions[name] = s
	}
	v.Backups = slices.Collect(maps.Values(w.backup))
	return v
}

// reported is the last report of a node: it reports what is on its disk.
func (m *machine) reported() api.PartReport { return m.saved.Report() }

// advance is one turn of the runner; dies has it end between actions and record.
func (w *world) advance(dies bool) (moved bool) {
	v := w.view()
	before := encode(v.Run)
	r, actions := Advance(v)
	if encode(v.Run) != before {
		w.fault("Advance changed its view")
	}
	moved = len(actions) > 0 || encode(r) != before
	for _, a := range actions {
		w.act(a)
	}
	if !dies {
		w.told(w.run, r)
		w.run = r
	}
	return moved
}

// told writes what changed between two records.
func (w *world) told(old, r api.Run) {
	goals := map[string]api.PartGoal{}
	for _, p := range allParts(old) {
		goals[p.Node] = p.Goal
	}
	for _, p := range allParts(r) {
		if p.Goal != goals[p.Node] {
			w.note("goal %s %s", p.Node, p.Goal)
		}
		w.nodes[p.Node].commit = w.nodes[p.Node].commit || p.Goal == api.GoalCommit
	}
	if r.Phase != old.Phase {
		text := "phase " + string(r.Phase)
		if r.Error != nil {
			text += " (" + r.Error.Code + " " + r.Error.Subject + ")"
		}
		w.note("%s", text)
	}
	w.checkAway(r)
}

func allParts(r api.Run) []api.RunPart {
	var all []api.RunPart
	if r.Source != nil {
		all = append(all, *r.Source)
	}
	return append(all, r.Members...)
}

// checkAway: no more members may be on their way than the request allows.
func (w *world) checkAway(r api.Run) {
	away, locations := 0, map[string]bool{}
	for _, m := range r.Members {
		if m.Goal == api.GoalSwitch && !m.Report.State.Final() && m.Report.State != api.PartHealthy {
			away++
			locations[m.Location] = true
		}
	}
	if r.Request.Restore != nil && (away > max(1, r.Request.Restore.MaxUnavailable) || len(locations) > 1) {
		w.fault("%d members are switched at a time, in %d locations", away, len(locations))
	}
	if away > 0 && r.Phase != api.RunRolling {
		w.fault("members switch in phase %s", r.Phase)
	}
}

func (w *world) act(a Action) {
	switch {
	case a.PutDistribution != nil:
		d := *a.PutDistribution
		if !slices.Contains(w.run.Distributions, d.Name) {
			w.fault("distribution %s is put before the record names it", d.Name)
		}
		if err := d.Validate(); err != nil {
			w.fault("distribution %s: %v", d.Name, err)
		}
		if w.dists[d.Name] == nil {
			d.State, d.Generation = api.StatePresent, 1
			w.dists[d.Name], w.status[d.Name] = &d, map[string]api.NodeStatus{}
			w.note("put %s for %s at %s", d.Name, strings.Join(d.Selector.NodeNames, " "), d.Path)
		}
	case a.DeleteDistribution != "":
		w.note("delete %s", a.DeleteDistribution)
		delete(w.dists, a.DeleteDistribution)
	case a.RemoveDistribution != "":
		w.note("remove %s", a.RemoveDistribution)
		for _, n := range w.dists[a.RemoveDistribution].Selector.NodeNames {
			if m := w.nodes[n]; m.staged == "new" && strings.HasPrefix(a.RemoveDistribution, "restore-") {
				m.staged = ""
			}
		}
		delete(w.dists, a.RemoveDistribution)
	case a.PutBackup != nil:
		w.note("record backup %s on %s", a.PutBackup.ID, strings.Join(a.PutBackup.Copies, " "))
		w.backup[a.PutBackup.ID] = *a.PutBackup
	case a.DeleteBackup != "":
		w.note("delete backup %s", a.DeleteBackup)
		delete(w.backup, a.DeleteBackup)
	default:
		w.fault("an empty action")
	}
}

// idle reports whether the run has ended, and no node that is up has anything left
// to do.
func (w *world) idle() bool {
	if !w.run.Phase.Finished() {
		return false
	}
	for _, m := range w.nodes {
		goal, ok := m.goal()
		if m.boot(); ok && m.alive && !m.down && Next(m.j.Learn(w.run), goal) != OpNone {
			return false
		}
	}
	return true
}

// deliver has a node finish the distributions that name it, or fail.
func (w *world) deliver(name string) (moved bool) {
	m := w.nodes[name]
	code := m.blocked
	if m.down {
		return false
	}
	for dist, d := range w.dists {
		if !slices.Contains(d.Selector.NodeNames, name) || w.status[dist][name].Phase == api.PhaseInstalled {
			continue
		}
		s := api.NodeStatus{Node: name, Phase: api.PhaseInstalled, Digest: d.Digest, Installed: d.Digest, Generation: d.Generation}
		if code != "" {
			s.Phase, s.Installed, s.Error = api.PhaseFailed, "", &api.Error{Code: code, Message: "the copy failed"}
			moved = moved || w.status[dist][name].Error == nil
		} else {
			moved = true
			if strings.HasPrefix(dist, "restore-") {
				m.staged = "new"
			}
		}
		w.status[dist][name] = s
	}
	return moved
}

// goal is what the store says, if the node has a part.
func (m *machine) goal() (api.PartGoal, bool) {
	for _, p := range allParts(m.w.run) {
		if p.Node == m.name {
			return p.Goal, true
		}
	}
	return "", false
}

// boot reads the journal, as an agent does when it starts.
func (m *machine) boot() {
	if m.alive || m.down {
		return
	}
	m.alive = true
	if m.disk == nil {
		j, ok := NewJournal(m.w.run, m.name)
		m.alive = ok
		m.j = j
		return
	}
	m.j = m.saved.Resume()
}

func (m *machine) write() {
	data, err := m.j.Encode()
	if err != nil {
		m.w.fault("%s: %v", m.name, err)
	}
	back, err := ParseJournal(data)
	if err != nil {
		m.w.fault("%s: %v", m.name, err)
	}
	if again, err := back.Encode(); err != nil || !bytes.Equal(data, again) {
		m.w.fault("%s: the journal changes when it is read: %v", m.name, err)
	}
	m.disk, m.saved = data, back
}

// kill ends the agent; the database goes on.
func (m *machine) kill() { m.alive, m.j = false, Journal{} }

// crash is a place where the agent may die in a step.
type crash int

const (
	lives crash = iota
	diesBefore
	diesAfter
)

// step performs the next operation of a node; it reports whether something moved.
func (m *machine) step(c crash) bool {
	m.boot()
	goal, ok := m.goal()
	if !ok || m.down || !m.alive {
		return false
	}
	m.j = m.j.Learn(m.w.run)
	op := Next(m.j, goal)
	if op == OpNone {
		return false
	}
	var changed bool
	if m.j, changed = m.j.Before(op, m.swap()); changed {
		m.write()
	}
	if c == diesBefore {
		m.kill()
		return true
	}
	m.check(op, goal)
	r := m.result(op)
	if c == diesAfter {
		m.kill()
		return true
	}
	before, state := m.disk, m.j.State
	m.j = m.j.After(op, r)
	m.write()
	if !op.Polled() || m.j.State != state || r.Err != nil || op == OpRemoveStaging && !r.Wait {
		suffix := ""
		if r.Err != nil {
			suffix = " fails: " + r.Err.Code
		}
		m.w.note("%s %s%s", m.name, op, suffix)
	}
	if m.j.State != state && m.j.State.Final() {
		m.w.note("%s is %s", m.name, m.j.State)
	}
	return !op.Polled() || !bytes.Equal(before, m.disk)
}

// result is what the machine answers, after the faults that wait for it.
func (m *machine) result(op Op) Result {
	if queue := m.faults[op]; len(queue) > 0 {
		m.faults[op] = queue[1:]
		r := queue[0]
		r.At = m.w.now
		return r
	}
	r := m.perform(op)
	r.At = m.w.now
	return r
}

// check is what must hold right before an operation.
func (m *machine) check(op Op, goal api.PartGoal) {
	w, r := m.w, m.w.run.Request.Restore
	if op.Destructive() && m.running == "old" && !m.replica && !r.AllowPrimary {
		w.fault("%s: %s on a running primary", m.name, op)
	}
	switch op {
	case OpRemoveOld:
		if !m.commit {
			w.fault("%s: old data are removed without a commit", m.name)
		}
		if m.data != "new" {
			w.fault("%s: old data are removed while %q stands", m.name, m.data)
		}
	case OpExchange, OpExchangeBack:
		if m.running != "" {
			w.fault("%s: %s while the %s database runs", m.name, op, m.running)
		}
	case OpVerify, OpConfigure, OpAwaitRelease:
		if m.data == "new" {
			w.fault("%s: %s of what was exchanged", m.name, op)
		}
	case OpRemoveStaging:
		if m.staged == "old" {
			w.fault("%s: the old data would be removed", m.name)
		}
	}
}

func inode(what string) uint64 { return map[string]uint64{"": 0, "old": 1, "new": 2}[what] }

func (m *machine) swap() Swap { return Swap{Data: inode(m.data), Staged: inode(m.staged)} }

func (m *machine) state() *api.DatabaseState {
	p := m.probe
	p.Kind = m.kind
	switch {
	case m.data == "":
		p.Kind = api.DatabaseAbsent
	case m.running == "new":
		p.Kind = api.DatabaseReplica
	case m.running == "old":
		p.Kind = api.DatabasePrimary
		if m.replica {
			p.Kind = api.DatabaseReplica
			p.Health = &api.DatabaseHealth{Healthy: m.healthy, Replicating: m.healthy}
		}
	case m.was:
		p.Kind, p.WasReplica = api.DatabaseStopped, m.replica
	}
	return &p
}

func (m *machine) perform(op Op) (r Result) {
	switch op {
	case OpProbe, OpCheckRole:
		r.Probe = m.state()
	case OpPin:
		m.pinned, r.Pin, r.PinLost = true, PinName(m.w.run.ID), m.pinLost
	case OpWatchPin:
		r.PinLost = m.pinLost
	case OpCapture:
		m.captures, r.TakenAt = true, m.w.now
		p := m.probe
		r.Content = &api.BackupContent{Driver: p.Driver, Version: p.Version, Architecture: p.Architecture, ClusterID: p.ClusterID, DataBytes: p.DataBytes}
	case OpPublish:
		r.Digest, r.Size = "sha256:"+strings.Repeat("ab", 32), 2000
	case OpUnpin:
		m.pinned = false
	case OpDropCapture:
		m.captures = false
	case OpAwaitRelease:
		if r.Wait = m.claimed(); !r.Wait && m.staged != "new" {
			r.Err = &api.Error{Code: api.CodeIO, Message: "the copy is not there"}
		}
	case OpConfigure:
		m.slots++
	case OpCleanup:
		m.slots = 0
	default:
		m.switchOver(op, &r)
	}
	return r
}

// claimed reports whether a distribution wants what lies beside the data.
func (m *machine) claimed() bool {
	for name, d := range m.w.dists {
		if strings.HasPrefix(name, "restore-") && slices.Contains(d.Selector.NodeNames, m.name) {
			return true
		}
	}
	return false
}

func (m *machine) switchOver(op Op, r *Result) {
	t := m.j.Target
	switch op {
	case OpStop, OpStopNew:
		m.running = ""
	case OpExchange, OpExchangeBack:
		m.data, m.staged = m.staged, m.data
	case OpLook:
		r.Side = t.Swap.Side(inode(m.data), inode(m.staged))
	case OpStart, OpStartOld:
		m.running = m.data
	case OpRemoveOld:
		m.staged = ""
	case OpRemoveStaging:
		if r.Wait = m.claimed(); !r.Wait {
			m.staged = ""
		}
	case OpAwaitHealth:
		up := m.running == "new" && !m.sick
		r.Health = &api.DatabaseHealth{Healthy: up, Replicating: up}
		r.Final = m.fatal && !up
	}
}

// settle lets everybody do what is to be done, and time pass, until nothing moves
// any more. Nothing goes wrong but what was arranged. It reports whether the run
// ended.
func (w *world) settle(until func() bool) bool {
	for range 3000 {
		if until() {
			return true
		}
		if w.turn() {
			continue
		}
		wake := Wake(w.view())
		next := w.now.Add(10 * time.Second)
		switch {
		case !wake.IsZero() && !wake.After(w.now):
			w.fault("Wake is %v, and nothing is to be done then", wake)
			return false
		case !wake.IsZero() && w.quiet() && wake.After(next):
			next = wake
		case wake.IsZero() && w.quiet():
			return until()
		}
		w.now = next
	}
	return until()
}

// quiet reports whether no node waits for something to come by itself.
func (w *world) quiet() bool {
	for _, m := range w.nodes {
		goal, ok := m.goal()
		if ok && m.alive && !m.down && Next(m.j, goal) != OpNone {
			return false
		}
	}
	return true
}

// turn is one round of everybody; it reports whether anything moved.
func (w *world) turn() bool {
	if w.advance(false) {
		return true
	}
	for _, name := range w.names() {
		if w.nodes[name].step(lives) {
			return true
		}
	}
	moved := false
	for _, name := range w.names() {
		moved = w.deliver(name) || moved
	}
	return moved
}

func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

package scenario

import (
	"cmp"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// storeName is what kill and start call the store; hosts have a slash.
const storeName = "store"

// missing stands in a fault for a time or rate that the file does not give.
const missing = -1

// stands is what to write where nothing is to pass from now on.
const stands = "write for example 5Mbit; for no traffic write partition: LOCATION, for a host that is gone kill: HOST"

// written is a fault and where it stands in the file.
type written struct {
	Fault
	key string
	at  ast.Node
}

func (p *parse) faults(key string, n ast.Node) {
	var all []written
	p.sound(func() {
		p.list(key, n, func(key string, n ast.Node) { all = append(all, written{p.fault(key, n), key, n}) })
	}, func() {
		slices.SortStableFunc(all, func(a, b written) int { return cmp.Compare(a.At, b.At) })
		p.follow(all)
	})
	for _, w := range all {
		p.s.Faults = append(p.s.Faults, w.Fault)
	}
}

// fault reads one: when, and exactly one action with what belongs to it.
func (p *parse) fault(key string, n ast.Node) Fault {
	f := Fault{At: missing, Link: topo.Link{Up: missing, Down: missing}, Rate: missing}
	p.sound(func() { p.mapping(key, n, p.faultFields(&f)) }, func() { p.whole(key, n, &f) })
	return f
}

func (p *parse) faultFields(f *Fault) []field {
	act := func(action Action, read func(string, ast.Node)) func(string, ast.Node) {
		return func(key string, n ast.Node) {
			if f.Action != "" {
				p.fail(n, key, "write an entry for each", "%s and %s in one fault", f.Action, action)
			}
			f.Action = action
			read(key, n)
		}
	}
	return []field{
		{"at", p.duration(&f.At)},
		{"kill", nodeOrStore(act(Kill, p.node(&f.Node)), act(KillStore, ignore))},
		{"start", nodeOrStore(act(Start, p.node(&f.Node)), act(StartStore, ignore))},
		{"partition", act(Partition, p.place(&f.Location))},
		{"link", act(SetLink, p.place(&f.Location))},
		{"corrupt", act(Corrupt, p.node(&f.Node))},
		{"slow", act(Slow, p.node(&f.Node))},
		{"move", act(Move, p.node(&f.Node))},
		{"snmp", act(Device, p.place(&f.Location))},
		{"cpu", act(BusyCPU, p.node(&f.Node))},
		{"disk", act(BusyDisk, p.node(&f.Node))},
		{"distribute", act(Distribute, p.bytes(&f.Size))},
		{"for", p.only(f, p.duration(&f.For), Partition, BusyCPU, BusyDisk)},
		{"rate", p.only(f, p.capacity(&f.Rate, stands), SetLink, Slow)},
		{"up", p.only(f, p.capacity(&f.Link.Up, stands), SetLink)},
		{"down", p.only(f, p.capacity(&f.Link.Down, stands), SetLink)},
		{"to", p.only(f, p.place(&f.To), Move)},
		{"silent", p.only(f, p.flag(&f.Silent), SetLink)},
		{"says", p.only(f, choice(p.reader, &f.Says, Truth, Zeros, Nothing), Device)},
		{"load", p.only(f, p.share(&f.Load), BusyCPU)},
		{"priority", p.only(f, choice(p.reader, &f.Priority, Background, Normal, Urgent), Distribute)},
	}
}

func ignore(string, ast.Node) {}

// nodeOrStore reads by one of two functions.
func nodeOrStore(node, store func(string, ast.Node)) func(string, ast.Node) {
	return func(key string, n ast.Node) {
		if text, _ := yamlnode.Scalar(n); text == storeName {
			store(key, n)
			return
		}
		node(key, n)
	}
}

// only reads what belongs to some actions.
func (p *parse) only(f *Fault, read func(string, ast.Node), actions ...Action) func(string, ast.Node) {
	return func(key string, n ast.Node) {
		if !slices.Contains(actions, f.Action) {
			p.fail(n, key, "remove it", "belongs to %s only", joined(actions))
			return
		}
		read(key, n)
	}
}

// whole checks that a fault has what its action needs.
func (p *parse) whole(key string, n ast.Node, f *Fault) {
	if f.At == missing {
		p.fail(n, key, "write at: 5s", "does not say when")
	}
	switch f.Action {
	case "":
		p.fail(n, key, "write one of kill, start, partition, link, corrupt, slow, move, snmp, cpu, disk and distribute", "does not say what happens")
	case SetLink:
		if f.Link == (topo.Link{Up: missing, Down: missing}) {
			f.Link = topo.Link{Up: f.Rate, Down: f.Rate}
		} else if f.Rate != missing {
			p.fail(n, key, "write rate alone, or up and down", "has rate beside up or down")
		}
		if f.Link == (topo.Link{Up: missing, Down: missing}) {
			p.fail(n, key, "write rate: 5Mbit, or up and down", "does not say the new rate")
		}
	case Slow:
		if f.Rate == missing {
			p.fail(n, key, "write rate: 200KiB", "does not say how slow")
		}
	case Move:
		if f.To == "" {
			p.fail(n, key, "write to: LOCATION", "does not say where to")
		}
	case Device:
		p.wholeDevice(key, n, f)
	case Distribute:
		f.Priority = cmp.Or(f.Priority, Normal)
		if f.Size == 0 {
			p.fail(n, key, "write for example distribute: 10MB", "distributes nothing")
		}
	case BusyCPU:
		if f.Load == 0 {
			p.fail(n, key, "write load: 90%", "does not say how busy")
		}
	}
	if f.Action != Slow {
		f.Rate = 0
	}
	if f.Action != SetLink {
		f.Link = topo.Link{}
	}
}

func (p *parse) wholeDevice(key string, n ast.Node, f *Fault) {
	switch {
	case f.Says == "":
		p.fail(n, key, "write says: nothing, zeros or truth", "does not say what the device answers")
	case p.s.Bandwidth == nil || !p.s.Bandwidth.SNMP:
		p.fail(n, key, "write bandwidth: {snmp: true}", "there are no devices that answer by SNMP")
	case p.uplinks[f.Location].Uplink == topo.Unlimited:
		p.fail(n, key, "give it an uplink, such as uplink: 10Mbit", "%s has no device, as its uplink is unlimited", f.Location)
	}
}

// state is what the faults so far have made of hosts, links and store.
type state struct {
	dead    map[unit.NodeID]bool
	noStore bool
	uplinks map[unit.Location]topo.Link
	at      map[unit.NodeID]unit.Location
}

// follow goes through the faults in the order of their times, refuses those that
// cannot be and fills in the directions of links that do not change.
func (p *parse) follow(faults []written) {
	now := state{dead: map[unit.NodeID]bool{}, uplinks: map[unit.Location]topo.Link{}, at: map[unit.NodeID]unit.Location{}}
	for _, l := range p.uplinks {
		now.uplinks[l.Location] = l.Uplink
	}
	for _, h := range p.s.Hosts {
		now.at[h.Node] = h.Location
	}
	for i := range faults {
		if why := now.apply(&faults[i].Fault); why != "" {
			p.fail(faults[i].at, faults[i].key, "remove it, or change when it happens", "%s", why)
		}
	}
}

// apply changes the state by a fault and says why it cannot be, "" if it can.
func (s *state) apply(f *Fault) string {
	switch f.Action {
	case Kill:
		if s.dead[f.Node] {
			return string(f.Node) + " is killed already"
		}
		s.dead[f.Node] = true
	case Start:
		if !s.dead[f.Node] {
			return string(f.Node) + " was not killed before"
		}
		s.dead[f.Node] = false
	case KillStore, StartStore:
		kill := f.Action == KillStore
		if s.noStore == kill {
			return map[bool]string{true: "the store is killed already", false: "the store was not killed before"}[kill]
		}
		s.noStore = kill
	case SetLink:
		s.setLink(f)
	case Move:
		if s.at[f.Node] == f.To {
			return string(f.Node) + " is in " + f.To.String() + " already"
		}
		s.at[f.Node] = f.To
	}
	return ""
}

func (s *state) setLink(f *Fault) {
	was := s.uplinks[f.Location]
	if f.Link.Up == missing {
		f.Link.Up = was.Up
	}
	if f.Link.Down == missing {
		f.Link.Down = was.Down
	}
	s.uplinks[f.Location] = f.Link
}

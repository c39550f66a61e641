package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// maxHosts keeps a slip of the pen from filling the memory.
const maxHosts = 200_000

func (p *parse) locations(key string, n ast.Node) {
	m, ok := n.(ast.MapNode)
	if !ok {
		p.fail(n, key, "write for example locations: {ams/b-5: {uplink: 10Mbit, hosts: 5}}", "a mapping is expected here, not %s", yamlnode.Form(n))
		return
	}
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		loc, err := unit.ParseLocation(name)
		if err == nil && loc == unit.Root {
			err = fmt.Errorf("the root has no uplink and no hosts of its own")
		}
		if err != nil {
			p.fail(it.Key(), key, "write for example ams/b-5", "%v", err)
			continue
		}
		p.location(join(key, name), loc, it.Value())
	}
	for _, h := range p.s.Hosts {
		if _, both := p.uplinks[unit.Location(h.Node)]; both {
			p.fail(n, key, "give the location another name", "%s is a location and host %s of %s", h.Node, h.Node, h.Location)
		}
	}
}

func (p *parse) location(key string, loc unit.Location, n ast.Node) {
	l := Location{Location: loc, Uplink: topo.Unlimited}
	if _, null := n.(*ast.NullNode); !null {
		p.mapping(key, n, []field{
			{"uplink", p.link(&l.Uplink)},
			{"hosts", func(key string, n ast.Node) { p.hosts(key, loc, n) }},
			{"rtt", p.duration(&l.RTT)},
			{"loss", p.share(&l.Loss)},
		})
	}
	p.uplinks[loc] = l
	for _, above := range loc.Parent().Path() {
		if _, declared := p.uplinks[above]; !declared && above != unit.Root {
			p.uplinks[above] = Location{Location: above, Uplink: topo.Unlimited}
		}
	}
}

// hosts reads how many there are, or a list with a link for each.
func (p *parse) hosts(key string, loc unit.Location, n ast.Node) {
	if _, list := n.(*ast.SequenceNode); !list {
		var count int
		p.count(&count, 0, maxHosts-len(p.s.Hosts))(key, n)
		for range count {
			p.addHost(loc, p.host)
		}
		return
	}
	p.list(key, n, func(key string, n ast.Node) {
		link := p.host
		if _, null := n.(*ast.NullNode); !null {
			p.link(&link)(key, n)
		}
		p.addHost(loc, link)
	})
}

func (p *parse) addHost(loc unit.Location, link topo.Link) {
	node := unit.NodeID(fmt.Sprintf("%s/%d", loc, len(p.members[loc])+1))
	p.members[loc] = append(p.members[loc], node)
	p.position[node] = len(p.s.Hosts)
	p.s.Hosts = append(p.s.Hosts, Host{Node: node, Location: loc, Link: link})
}

// places are all locations, parents first.
func (p *parse) places() []Location {
	return slices.SortedFunc(maps.Values(p.uplinks), func(a, b Location) int {
		return cmp.Or(cmp.Compare(a.Location.Depth(), b.Location.Depth()), cmp.Compare(a.Location, b.Location))
	})
}

// node reads the name of a host.
func (p *parse) node(into *unit.NodeID) func(string, ast.Node) {
	return read(p.reader, into, "write LOCATION/NUMBER, such as ams/b-5/1", func(s string) (unit.NodeID, error) {
		if _, ok := p.position[unit.NodeID(s)]; !ok {
			return "", p.noHost(s)
		}
		return unit.NodeID(s), nil
	})
}

// noHost says what the hosts are where one was looked for.
func (p *parse) noHost(s string) error {
	for _, loc := range []unit.Location{unit.Location(s), unit.Location(s).Parent()} {
		if hosts := p.members[loc]; len(hosts) > 0 {
			return fmt.Errorf("%q is not a host; write one of %s to %s", s, hosts[0], hosts[len(hosts)-1])
		}
	}
	return fmt.Errorf("%q is not a host", s)
}

// place reads the name of a location.
func (p *parse) place(into *unit.Location) func(string, ast.Node) {
	return read(p.reader, into, "", func(s string) (unit.Location, error) {
		if _, ok := p.uplinks[unit.Location(s)]; !ok {
			return "", fmt.Errorf("%q is not a location; write one of %s", s, joined(slices.Sorted(maps.Keys(p.uplinks))))
		}
		return unit.Location(s), nil
	})
}

// oneOrMore calls read for a value, or for each of a list.
func (p *parse) oneOrMore(key string, n ast.Node, read func(string, ast.Node)) {
	if _, list := n.(*ast.SequenceNode); list {
		p.list(key, n, read)
		return
	}
	read(key, n)
}

func (p *parse) initial(key string, n ast.Node) {
	p.s.Initial = []unit.NodeID{}
	p.oneOrMore(key, n, func(key string, n ast.Node) {
		var node unit.NodeID
		p.node(&node)(key, n)
		if slices.Contains(p.s.Initial, node) {
			p.fail(n, key, "name it once", "%s is named twice", node)
		}
		p.s.Initial = append(p.s.Initial, node)
	})
	if len(p.s.Initial) == 0 {
		p.fail(n, key, "name a host", "nobody has the artifact")
	}
}

// receivers reads all, or hosts and locations. They stand in s.Receivers as they
// were named until receive puts them in order.
func (p *parse) receivers(key string, n ast.Node) {
	p.s.Receivers = []unit.NodeID{}
	p.oneOrMore(key, n, func(key string, n ast.Node) {
		text, _ := yamlnode.Scalar(n)
		loc := unit.Location(text)
		if text == "all" {
			loc = unit.Root
		}
		if _, ok := p.uplinks[loc]; ok || loc == unit.Root {
			p.s.Receivers = append(p.s.Receivers, p.inside(loc)...)
			return
		}
		var node unit.NodeID
		p.node(&node)(key, n)
		p.s.Receivers = append(p.s.Receivers, node)
	})
}

// inside are the hosts of a location and of those below it.
func (p *parse) inside(loc unit.Location) []unit.NodeID {
	var nodes []unit.NodeID
	for _, h := range p.s.Hosts {
		if loc.Contains(h.Location) {
			nodes = append(nodes, h.Node)
		}
	}
	return nodes
}

// receive puts the receivers in order and says when each joins.
func (p *parse) receive() {
	s := p.s
	if s.Receivers == nil {
		s.Receivers = p.inside(unit.Root)
	}
	wanted := map[unit.NodeID]bool{}
	for _, node := range s.Receivers {
		wanted[node] = true
	}
	for _, node := range s.Initial {
		delete(wanted, node)
	}
	s.Receivers = slices.SortedFunc(maps.Keys(wanted), func(a, b unit.NodeID) int {
		return cmp.Compare(p.position[a], p.position[b])
	})
	if len(s.Receivers) == 0 {
		p.add(start, "receivers", "add hosts, or name others than the initial seeders", "nobody is to receive the artifact")
	}
	s.Join = spread(s.Stagger, len(s.Receivers))
}

// spread returns n times from 0 to d, evenly.
func spread(d time.Duration, n int) []time.Duration {
	times := make([]time.Duration, n)
	for i := 1; i < n; i++ {
		last := time.Duration(n - 1)
		times[i] = d/last*time.Duration(i) + d%last*time.Duration(i)/last
	}
	return times
}

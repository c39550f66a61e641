package topo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Place declares the uplink of a location.
type Place struct {
	Location unit.Location
	Uplink   Link
}

// Host is a machine in a location, with its own link.
type Host struct {
	Node     unit.NodeID
	Location unit.Location
	Link     Link
}

// Tree is a network: locations and the hosts in them. It does not change once
// built and may be shared.
type Tree struct {
	// vertices holds the root first, then locations, then hosts.
	// Invariant: a parent comes before its children.
	vertices  []vertex
	locations map[unit.Location]int
	hosts     map[unit.NodeID]int
}

// vertex is a location, or a host if node is not empty.
type vertex struct {
	location unit.Location
	node     unit.NodeID
	link     Link
	parent   int // index into vertices; the root is its own
}

// New builds the tree of the declared places and of hosts. Locations above or
// around these that nobody declared have unlimited uplinks. Two declarations of
// one location, two hosts of one name, and an uplink of the root are errors.
func New(places []Place, hosts []Host) (*Tree, error) {
	uplinks, err := uplinks(places)
	if err != nil {
		return nil, err
	}
	all := map[unit.Location]bool{unit.Root: true}
	for loc := range uplinks {
		addPath(all, loc)
	}
	for _, h := range hosts {
		addPath(all, h.Location)
	}
	t := &Tree{locations: map[unit.Location]int{}, hosts: map[unit.NodeID]int{}}
	for _, loc := range slices.SortedFunc(maps.Keys(all), byDepth) {
		t.addLocation(loc, uplinks)
	}
	for _, h := range slices.SortedFunc(slices.Values(hosts), byNode) {
		if err := t.addHost(h); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func uplinks(places []Place) (map[unit.Location]Link, error) {
	links := map[unit.Location]Link{}
	for _, p := range places {
		if _, twice := links[p.Location]; twice {
			return nil, fmt.Errorf("location %s is declared twice", p.Location)
		}
		if p.Location == unit.Root {
			return nil, fmt.Errorf("the root of the network has no uplink; declare the locations below it")
		}
		if err := checkLink(p.Uplink); err != nil {
			return nil, fmt.Errorf("uplink of location %s: %w", p.Location, err)
		}
		links[p.Location] = p.Uplink
	}
	return links, nil
}

func checkLink(l Link) error {
	if l.Up < 0 || l.Down < 0 {
		return fmt.Errorf("a capacity is negative (up %d, down %d bytes per second)", l.Up, l.Down)
	}
	return nil
}

func addPath(all map[unit.Location]bool, loc unit.Location) {
	for _, l := range loc.Path() {
		all[l] = true
	}
}

func byDepth(a, b unit.Location) int {
	return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), cmp.Compare(a, b))
}

func byNode(a, b Host) int { return cmp.Compare(a.Node, b.Node) }

func (t *Tree) addLocation(loc unit.Location, uplinks map[unit.Location]Link) {
	link, ok := uplinks[loc]
	if !ok {
		link = Unlimited
	}
	t.locations[loc] = len(t.vertices)
	t.vertices = append(t.vertices, vertex{location: loc, link: link, parent: t.locations[loc.Parent()]})
}

func (t *Tree) addHost(h Host) error {
	if _, twice := t.hosts[h.Node]; twice {
		return fmt.Errorf("host %s is declared twice", h.Node)
	}
	if err := checkLink(h.Link); err != nil {
		return fmt.Errorf("link of host %s: %w", h.Node, err)
	}
	t.hosts[h.Node] = len(t.vertices)
	t.vertices = append(t.vertices, vertex{h.Location, h.Node, h.Link, t.locations[h.Location]})
	return nil
}

// Locations returns all locations, the root first, parents before children.
func (t *Tree) Locations() []unit.Location {
	return slices.SortedFunc(maps.Keys(t.locations), byDepth)
}

// Uplink returns the uplink of a location; Unlimited if it was not declared, as
// for the root.
func (t *Tree) Uplink(loc unit.Location) Link {
	if i, ok := t.locations[loc]; ok {
		return t.vertices[i].link
	}
	return Unlimited
}

// Hosts returns all hosts sorted by name.
func (t *Tree) Hosts() []Host {
	hosts := make([]Host, 0, len(t.hosts))
	for _, v := range t.vertices[len(t.locations):] {
		hosts = append(hosts, Host{v.node, v.location, v.link})
	}
	return hosts
}

// Host returns a host by name.
func (t *Tree) Host(node unit.NodeID) (Host, bool) {
	i, ok := t.hosts[node]
	if !ok {
		return Host{}, false
	}
	v := t.vertices[i]
	return Host{v.node, v.location, v.link}, true
}

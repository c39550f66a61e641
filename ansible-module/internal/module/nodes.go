package module

import (
	"net"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// nodesOf says which nodes the play's hosts are: as a variable says, else the
// node of that name or of its first part, else the one at that address. Hosts
// that are none of the fleet's nodes are returned apart.
func nodesOf(hosts []playHost, fleet []api.Node) (nodes map[string]string, unknown []string) {
	nodes = map[string]string{}
	for _, h := range hosts {
		if name := nodeOf(h, fleet); name != "" {
			nodes[h.Name] = name
		} else {
			unknown = append(unknown, h.Name)
		}
	}
	return nodes, unknown
}

func nodeOf(h playHost, fleet []api.Node) string {
	if h.Node != "" {
		return h.Node
	}
	for _, fits := range []func(api.Node) bool{
		func(n api.Node) bool { return n.Name == h.Name },
		func(n api.Node) bool { return first(n.Name) == first(h.Name) && net.ParseIP(h.Name) == nil },
		func(n api.Node) bool {
			at, _, err := net.SplitHostPort(n.DataAddr)
			return err == nil && at != "" && (at == h.Address || at == h.Name)
		},
	} {
		if i := slices.IndexFunc(fleet, fits); i >= 0 {
			return fleet[i].Name
		}
	}
	return ""
}

// first is the part of a name before its first dot.
func first(name string) string {
	part, _, _ := strings.Cut(name, ".")
	return part
}

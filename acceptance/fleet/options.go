package fleet

import (
	"fmt"
	"strings"
	"time"
)

// Options describe a fleet. The zero values are what most tests want.
type Options struct {
	// Nodes are the agents, at most 250, in the order in which they start.
	Nodes []Node
	// Redis runs Debian's Redis; otherwise the store is embedded in the first
	// agent.
	Redis bool
	// Forgetful has Redis keep nothing on disk: it comes back empty.
	Forgetful bool
	// Plain switches TLS off.
	Plain bool
	// CheckInterval is how often agents look for drift; 1 s if zero.
	CheckInterval time.Duration
	// Env is given to every agent, such as RACKSWARM_LIMITS_UPLOAD=10Mbit.
	Env []string
}

// Node is one agent.
type Node struct {
	Name     string
	Location string
	Labels   map[string]string
	// NoPublisherKey keeps the publisher's key from it: it cannot publish.
	NoPublisherKey bool
	Env            []string
}

// Racks returns n nodes in a location, named after it: ams1-r1-1, ams1-r1-2, …
func Racks(location string, n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{Name: fmt.Sprintf("%s-%d", strings.ReplaceAll(location, "/", "-"), i+1), Location: location}
	}
	return nodes
}

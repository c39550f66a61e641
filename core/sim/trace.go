package sim

import (
	"strings"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// nameOf is what the agent of a host is called: names of nodes have no slashes.
func nameOf(host unit.NodeID) unit.NodeID {
	return unit.NodeID(strings.ReplaceAll(string(host), "/", "."))
}

// saw writes what happened to a host into the trace.
func (h *host) saw(ev node.Event) {
	if h.sim.trace != nil {
		h.write(node.TraceEvent(ev))
	}
}

// did writes what its machine decided.
func (h *host) did(a node.Action) {
	if h.sim.trace != nil {
		h.write(node.TraceAction(a))
	}
}

func (h *host) write(d artifact.Digest, ev trace.Event, ok bool) {
	if ok {
		h.sim.trace(trace.Line{At: h.sim.now, Clock: h.lines.Next(), Node: h.id, Transfer: d, Event: ev})
	}
}

package cli

import "github.com/rackswarm/rackswarm/core/api"

// hostRow is the asked node's own link as one of the table; false if nothing limits it.
func hostRow(h *api.HostLink) (api.LinkStatus, bool) {
	if h == nil || h.Up.Reason == "open" && h.Down.Reason == "open" {
		return api.LinkStatus{}, false
	}
	return api.LinkStatus{Location: "host " + h.Node, Source: "interface " + h.Interface, Measured: h.Measured, Age: h.Age, Up: h.Up, Down: h.Down}, true
}

// noSpeed says why nothing limits a node's own link.
func noSpeed(h api.HostLink) string {
	name := "its interface"
	if h.Interface != "" {
		name = "interface " + h.Interface
	}
	return "Nothing limits the own link of host " + h.Node + ": the speed of " + name + " is not known, or host.up and host.down in its agent.yaml say so."
}

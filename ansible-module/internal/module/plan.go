package module

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// operation is what has to be done to the distribution.
type operation uint8

const (
	nothing operation = iota
	put               // create or change it
	remove            // end it, with its content
)

// plan decides what differs between what the task wants and what stands; now is
// nil if there is no such distribution. It changes nothing.
func plan(o options, now *api.Distribution) operation {
	switch {
	case o.absent && (now == nil || now.State == api.StateAbsent):
		return nothing
	case o.absent:
		return remove
	case now != nil && now.State != api.StateAbsent && o.want.SameTask(*now) && o.want.SameTraffic(*now):
		return nothing
	}
	return put
}

// choose says which nodes the distribution selects afterwards, where the task
// is about the play's hosts, which are these nodes. Others that it selected
// already stay, and must not be changed behind the play's back.
func choose(o options, now *api.Distribution, nodes []string) (api.Selector, error) {
	if now == nil || now.State == api.StateAbsent {
		return api.Selector{NodeNames: sorted(nodes)}, nil
	}
	if len(now.Selector.Locations)+len(now.Selector.Labels) > 0 || len(now.Selector.NodeNames) == 0 {
		return now.Selector, &api.Error{Code: api.CodeConflict, Subject: now.Name,
			Message: "stands already and selects nodes by location or label, not by the hosts of a play",
			Fix:     "give the task the same locations and labels, or another name"}
	}
	others := slices.DeleteFunc(sorted(now.Selector.NodeNames), func(n string) bool { return slices.Contains(nodes, n) })
	if len(others) > 0 && (o.absent || !o.want.SameContent(*now)) {
		return now.Selector, &api.Error{Code: api.CodeConflict, Subject: now.Name,
			Message: "also belongs on " + strings.Join(others, ", ") + ", which this play leaves out, and would change there as well",
			Fix:     "run the play for these hosts too, give node_names to say that all are meant, or give the task another name"}
	}
	return api.Selector{NodeNames: sorted(append(others, nodes...))}, nil
}

func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// submitted is what the host that submits tells the others.
type submitted struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // "" in check mode, if it is not known
	Size   int64  `json:"size"`   // bytes
	// Nodes are those of the play's hosts, by host, unless the user chose nodes.
	Nodes  map[string]string `json:"nodes,omitempty"`
	Before before            `json:"before"`
	// Run is that of a replica_seed.
	Run string `json:"run,omitempty"`
	// Aborted says that it was under way and was asked to end.
	Aborted bool `json:"aborted,omitempty"`
}

// before is what stood when the task was submitted.
type before struct {
	Distribution *api.Distribution     `json:"distribution,omitempty"` // nil if there was none
	Nodes        map[string]nodeBefore `json:"nodes,omitempty"`
}

// nodeBefore is what stood on a node.
type nodeBefore struct {
	Installed string `json:"installed,omitempty"` // digest
	// Converged says that it had what the distribution wanted.
	Converged bool `json:"converged,omitempty"`
}

func beforeOf(s *api.Status) before {
	if s == nil || s.Distribution.State == api.StateAbsent {
		return before{}
	}
	b := before{Distribution: &s.Distribution, Nodes: map[string]nodeBefore{}}
	for _, n := range s.Nodes {
		b.Nodes[n.Node] = nodeBefore{n.Installed, s.Distribution.Converged(n)}
	}
	return b
}

// changes reports whether the task changes bytes or metadata on a node.
func (b before) changes(o options, node string) bool {
	was := b.Nodes[node]
	if o.absent {
		return was.Installed != ""
	}
	return b.Distribution == nil || !o.want.SameContent(*b.Distribution) || !was.Converged
}

// changesAny is changes for a task that is about all nodes.
func (b before) changesAny(o options) bool {
	if plan(o, b.Distribution) != nothing {
		return true
	}
	for node := range b.Nodes {
		if b.changes(o, node) {
			return true
		}
	}
	return false
}

// diff is what ansible --diff shows.
type diff struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// diffOn is the diff of one node, or of the distribution for "".
func (b before) diffOn(o options, node string) *diff {
	d := &diff{}
	if b.Distribution != nil && (node == "" || b.Nodes[node].Installed != "") {
		was := *b.Distribution
		if node != "" {
			was.Digest = b.Nodes[node].Installed
		}
		d.Before = describe(was, node == "")
	}
	if !o.absent {
		d.After = describe(o.want, node == "")
	}
	return d
}

// describe writes the user's part of a distribution, one field per line.
func describe(d api.Distribution, selects bool) string {
	shown := struct {
		Digest   string        `json:"digest"`
		Dest     string        `json:"dest"`
		Owner    string        `json:"owner,omitempty"`
		Group    string        `json:"group,omitempty"`
		Mode     string        `json:"mode,omitempty"`
		Selector *api.Selector `json:"selector,omitempty"`
	}{d.Digest, d.Path, d.Owner, d.Group, d.Mode, nil}
	if selects {
		shown.Selector = &d.Selector
	}
	text, err := json.MarshalIndent(shown, "", "  ")
	if err != nil { // strings, lists and maps of strings always encode
		return fmt.Sprintf("(%v)\n", err)
	}
	return string(text) + "\n"
}

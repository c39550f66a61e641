package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// result is the module's answer.
type result struct {
	Changed  bool     `json:"changed"`
	Failed   bool     `json:"failed,omitempty"`
	Msg      string   `json:"msg,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Diff     *diff    `json:"diff,omitempty"`

	// Of both modules: this host's node.
	Node string `json:"node,omitempty"`

	// Of the module artifact.
	Name   string `json:"name,omitempty"`
	Digest string `json:"digest,omitempty"`
	Dest   string `json:"dest,omitempty"`
	Size   int64  `json:"size,omitempty"` // bytes
	// How the content came to this host's node, since the last change of what is
	// wanted.
	BytesFrom *bytesFrom `json:"bytes_from,omitempty"`
	Peers     *int       `json:"peers,omitempty"`
	Rate      *int64     `json:"rate,omitempty"`    // bytes per second, on average
	Seconds   *float64   `json:"seconds,omitempty"` // from its start to its end
	// Summary and Nodes are what all targets reported last, if the task waited for
	// them all.
	Summary *api.Summary `json:"summary,omitempty"`
	Nodes   []node       `json:"nodes,omitempty"`

	// Of the module replica_seed.
	Run        string       `json:"run,omitempty"`
	Phase      api.RunPhase `json:"phase,omitempty"` // of the run
	Backup     string       `json:"backup,omitempty"`
	State      string       `json:"state,omitempty"` // of this host's member
	LagBytes   *int64       `json:"lag_bytes,omitempty"`
	OldData    string       `json:"old_data,omitempty"`
	MemberList []member     `json:"members,omitempty"`

	// Error repeats msg in parts when the task failed.
	Error *api.Error `json:"error,omitempty"`
	// Answer is for the action plugin, which takes it out.
	Answer *answer `json:"_swarm,omitempty"`
}

// bytesFrom says where a node's bytes came from.
type bytesFrom struct {
	Rack       int64 `json:"rack"`       // its own location
	Datacenter int64 `json:"datacenter"` // elsewhere under the same first part of the location
	WAN        int64 `json:"wan"`        // anywhere else
	Seed       int64 `json:"seed"`       // of all these, from those that served the published source
	Disk       int64 `json:"disk"`       // its own disk: files of the version before
}

// node is one target's state in a result.
type node struct {
	Node     string     `json:"node"`
	Location string     `json:"location"`
	Phase    api.Phase  `json:"phase"`
	Offline  bool       `json:"offline,omitempty"`
	Error    *api.Error `json:"error,omitempty"`
}

// fail makes the result a failure; what is known already stays in it.
func (r *result) fail(err error) {
	r.Failed, r.Msg = true, err.Error()
	var e *api.Error
	if errors.As(err, &e) {
		r.Error = e
	}
}

// takeAll puts all nodes' reports into the result.
func (r *result) takeAll(s api.Status) {
	r.Summary, r.Nodes = &s.Summary, nil
	for _, n := range s.Nodes {
		r.Nodes = append(r.Nodes, node{n.Node, n.Location, n.Phase, n.Unreachable, n.Error})
	}
}

// take puts one node's report into the result.
func (r *result) take(n api.NodeStatus) {
	from := bytesFrom{Seed: n.Received.Seeder, Disk: n.BytesReused}
	for depth, bytes := range n.Received.ByLevel {
		switch {
		case depth == len(n.Received.ByLevel)-1:
			from.Rack += bytes
		case depth > 0:
			from.Datacenter += bytes
		default:
			from.WAN += bytes
		}
	}
	r.BytesFrom, r.Peers = &from, &n.Peers
	if n.StartedAt == nil || n.InstalledAt == nil || !n.InstalledAt.After(*n.StartedAt) {
		return
	}
	took := n.InstalledAt.Sub(*n.StartedAt).Round(time.Millisecond).Seconds()
	rate := int64(float64(from.Rack+from.Datacenter+from.WAN) / max(took, 0.001))
	r.Seconds, r.Rate = &took, &rate
}

// write writes the answer without the secrets.
func (r *result) write(w io.Writer, secrets []string) error {
	clean, err := scrub(r, secrets)
	if err != nil {
		return err
	}
	text, err := json.Marshal(clean)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

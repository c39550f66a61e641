package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/rackswarm/rackswarm/core/api"
)

// result is the module's answer.
type result struct {
	Changed  bool     `json:"changed"`
	Failed   bool     `json:"failed,omitempty"`
	Msg      string   `json:"msg,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Diff     *diff    `json:"diff,omitempty"`

	Name   string `json:"name,omitempty"`
	Digest string `json:"digest,omitempty"`
	Dest   string `json:"dest,omitempty"`
	Size   int64  `json:"size,omitempty"` // bytes
	// Summary and Nodes are what the nodes reported last, if the task waited.
	Summary *api.Summary `json:"summary,omitempty"`
	Nodes   []node       `json:"nodes,omitempty"`

	// Error repeats msg in parts when the task failed.
	Error *api.Error `json:"error,omitempty"`
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

// take puts the nodes' reports into the result.
func (r *result) take(s api.Status) {
	r.Summary, r.Nodes = &s.Summary, nil
	if s.Artifact != nil {
		r.Size = s.Artifact.SizeBytes
	}
	for _, n := range s.Nodes {
		r.Nodes = append(r.Nodes, node{n.Node, n.Location, n.Phase, n.Unreachable, n.Error})
	}
}

func (r *result) write(w io.Writer) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

package module

import (
	"encoding/json"
	"fmt"
	"time"
)

// The modules.
const (
	moduleArtifact = "artifact"
	moduleSeed     = "replica_seed"
)

// The steps of a task.
const (
	stepAll    = ""       // both, for a task without the action plugin
	stepSubmit = "submit" // publish, and tell the fleet what is wanted
	stepWait   = "wait"   // for this host's part
)

// call is what an action plugin adds to a task's options, as the option "_swarm".
type call struct {
	Module string     `json:"module"`
	Step   string     `json:"step"`
	Host   string     `json:"host"`  // the inventory's name of the host that the module runs for
	Hosts  []playHost `json:"hosts"` // all of the play
	// Delegated says that the module does not run on Host.
	Delegated bool `json:"delegated"`
	// Everyone has the step wait for all targets rather than for Host's own.
	Everyone bool `json:"everyone"`
	// Background says that no plugin waits for the answer.
	Background bool `json:"background"`
	// Task names the task in this run of the playbook.
	Task string `json:"task"`
	// Content is what the plugin found at src on the controller.
	Content *content `json:"content"`

	// Submitted is what the step submit answered.
	Submitted *submitted `json:"submitted"`
	// Patience is how long the step wait may take before it tells how far it is, Left
	// how long all of them together may; Stuck is what the last one answered. Seconds;
	// a Patience of 0 is Left, and a Left of 0 the task's timeout.
	Patience float64 `json:"patience"`
	Left     float64 `json:"left"`
	Stuck    float64 `json:"stuck"`
}

// playHost is a host of the play. Node is set if a variable says which node it
// is.
type playHost struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Node    string `json:"node"`
}

// content describes a file or tree of the controller.
type content struct {
	Kind string `json:"kind"` // "file" or "tree"
	Name string `json:"name"` // that it is published by; a tree's tells versions apart
	// Checksum is "sha256:" + hex of a file.
	Checksum string `json:"checksum"`
	// Path is where it was put on the machine that the module runs on, a tree as a
	// tar archive; "" if it was not yet.
	Path string `json:"path"`
}

// answer is what the module tells its plugin beside the task's result.
type answer struct {
	Submitted *submitted `json:"submitted,omitempty"`
	// WantContent asks for Content.Path: nothing that is published is the same.
	WantContent bool `json:"want_content,omitempty"`
	// Done says that the step wait is over; otherwise Progress says how far it is,
	// and Stuck for how many seconds targets have been stuck.
	Done     bool    `json:"done,omitempty"`
	Progress string  `json:"progress,omitempty"`
	Stuck    float64 `json:"stuck,omitempty"`
}

// parseArguments splits the file of arguments into the plugin's part and the
// user's.
func parseArguments(text []byte) (call, *reader, error) {
	r := &reader{}
	if err := json.Unmarshal(text, &r.args); err != nil {
		return call{}, nil, fmt.Errorf("the options are not a JSON object: %w", err)
	}
	c := call{Module: moduleArtifact}
	if raw, ok := r.args["_swarm"]; ok {
		delete(r.args, "_swarm")
		if err := json.Unmarshal(raw, &c); err != nil {
			return call{}, nil, fmt.Errorf("the plugin's part of the options does not decode: %w", err)
		}
	}
	switch {
	case c.Module != moduleArtifact && c.Module != moduleSeed:
		return call{}, nil, fmt.Errorf("there is no module %q", c.Module)
	case c.Step != stepAll && c.Step != stepSubmit && c.Step != stepWait:
		return call{}, nil, fmt.Errorf("there is no step %q", c.Step)
	case c.Step == stepWait && c.Submitted == nil:
		return call{}, nil, fmt.Errorf("the step %s needs what was submitted", c.Step)
	}
	return c, r, nil
}

// budget says how long a step wait may take, and whether the task's time is over
// then.
func (c call) budget(timeout time.Duration) (patience time.Duration, last bool) {
	left := timeout
	if c.Left > 0 {
		left = min(left, seconds(c.Left))
	}
	if c.Patience > 0 && seconds(c.Patience) < left {
		return seconds(c.Patience), false
	}
	return left, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

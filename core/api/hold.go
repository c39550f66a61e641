package api

import (
	"fmt"
	"time"
)

// Kinds of holds.
const (
	// HoldPause keeps blocks from moving. Everything else goes on: connections
	// stand, what is complete is installed, and whoever waits goes on waiting.
	HoldPause = "pause"
	// HoldStop ends a transfer: nodes leave it and try no more. What they have
	// staged stays on their disks.
	HoldStop = "stop"
)

// Hold says that an operator has paused or stopped transfers.
type Hold struct {
	Kind string `json:"kind"` // HoldPause or HoldStop
	// Distribution is whose transfer is held; "" is every transfer, also of
	// distributions that are made later.
	Distribution string `json:"distribution,omitempty"`
	// All says that all distributions were held at once, and that this is lifted
	// with the others.
	All bool `json:"all,omitempty"`
	// Node is the only node that is held; "" is the whole fleet.
	Node string `json:"node,omitempty"`
	// Created and Generation are those of the distribution. A hold is not of
	// another one that gets the same name later, and a stop not of a later
	// generation.
	Created    time.Time `json:"created,omitzero"`
	Generation int64     `json:"generation,omitempty"`
	By         string    `json:"by"`   // who asked for it
	From       string    `json:"from"` // from where
	At         time.Time `json:"at"`
}

// holdAll stands in keys for every transfer; no distribution can be called so.
const holdAll = "*"

// Key tells holds apart that exist beside one another.
func (h Hold) Key() string {
	switch {
	case h.Distribution == "":
		return holdAll
	case h.All:
		return h.Distribution + holdAll
	}
	return h.Distribution
}

// Sound reports whether h is a hold of the fleet as a server makes them: without a
// kind it would say nothing, and all that is stopped is what was there.
func (h Hold) Sound() bool {
	pause, stop := h.Kind == HoldPause, h.Kind == HoldStop
	return h.Node == "" && (pause || stop && h.Distribution != "")
}

// Holds reports whether h is about what d wants now.
func (h Hold) Holds(d Distribution) bool {
	switch {
	case h.Distribution == "":
		return true
	case h.Distribution != d.Name || !h.Created.Equal(d.CreatedAt):
		return false
	}
	return h.Kind != HoldStop || h.Generation == d.Generation
}

// HeldBy returns the hold of the list under which d is: a stop before a pause; nil
// for none. node is the node that asks, as a hold may be of one node alone.
func HeldBy(list []Hold, d Distribution, node string) *Hold {
	var by *Hold
	for i := range list {
		h := &list[i]
		if h.Node != "" && h.Node != node || !h.Holds(d) {
			continue
		}
		if by == nil || h.Kind == HoldStop && by.Kind != HoldStop {
			by = h
		}
	}
	return by
}

// String says what is held, by whom and since when.
func (h Hold) String() string {
	what := "paused"
	if h.Kind == HoldStop {
		what = "stopped"
	}
	if h.Node != "" {
		what += " on this node alone"
	}
	return fmt.Sprintf("%s by %s on %s at %s", what, h.By, h.From, h.At.UTC().Format(time.DateTime+"Z"))
}

// HoldRequest asks for a hold of a distribution, or of all.
type HoldRequest struct {
	Kind         string `json:"kind"` // HoldPause or HoldStop
	Distribution string `json:"distribution,omitempty"`
	All          bool   `json:"all,omitempty"`
	// Here holds the answering node alone; a pause only.
	Here bool `json:"here,omitempty"`
}

// Release asks for holds to be lifted: those of a distribution, or those that were
// made for all. What the answering node holds alone is lifted, too.
type Release struct {
	Distribution string `json:"distribution,omitempty"`
	All          bool   `json:"all,omitempty"`
	// Here lifts only what the answering node holds alone.
	Here bool `json:"here,omitempty"`
}

// HoldList answers GET and POST /v1/holds: holds of the fleet and of the answering
// node, by distribution.
type HoldList struct {
	Holds []Hold `json:"holds"`
	// StoreDown says that the store does not answer: this is what the answering
	// node knows, and holds alone.
	StoreDown bool `json:"store_down,omitempty"`
}

// Released answers POST /v1/holds/release.
type Released struct {
	Released []Hold `json:"released"`
	// Left is what still holds what was asked for: for another reason, or since the
	// store does not answer.
	Left      []Hold `json:"left"`
	StoreDown bool   `json:"store_down,omitempty"`
}

// Validate checks the request on its own. The error is an *Error.
func (r HoldRequest) Validate() error {
	switch {
	case r.Kind != HoldPause && r.Kind != HoldStop:
		return invalid("kind", fmt.Sprintf("%q is no kind of hold", r.Kind), "write "+HoldPause+" or "+HoldStop)
	case r.Kind == HoldStop && r.Here:
		return invalid("here", "one node alone cannot be stopped", "pause it: nothing moves there either")
	}
	return oneOrAll(r.Distribution, r.All)
}

// Validate checks the request on its own. The error is an *Error.
func (r Release) Validate() error { return oneOrAll(r.Distribution, r.All) }

func oneOrAll(distribution string, all bool) error {
	if all == (distribution != "") {
		return invalid("distribution", "name a distribution or all of them", "set distribution, or all to true")
	}
	return nil
}

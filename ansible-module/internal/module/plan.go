package module

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// step is what has to be done to the distribution.
type step uint8

const (
	nothing step = iota
	put          // create or change it
	remove       // end it, with its content
)

// plan decides what differs between what the task wants and what stands; now is
// nil if there is no such distribution. It changes nothing.
func plan(o options, now *api.Distribution) step {
	switch {
	case o.absent && (now == nil || now.State == api.StateAbsent):
		return nothing
	case o.absent:
		return remove
	case now != nil && now.State != api.StateAbsent && same(o.want, *now):
		return nothing
	}
	return put
}

// same reports whether the user's part of two distributions is equal.
func same(a, b api.Distribution) bool {
	return a.Name == b.Name && a.Digest == b.Digest && a.Path == b.Path &&
		a.Owner == b.Owner && a.Group == b.Group && a.Mode == b.Mode && a.Overwrite == b.Overwrite &&
		sameSet(a.Selector.Locations, b.Selector.Locations) &&
		sameSet(a.Selector.NodeNames, b.Selector.NodeNames) &&
		maps.Equal(a.Selector.Labels, b.Selector.Labels)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// diff is what ansible --diff shows.
type diff struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

func diffOf(o options, now *api.Distribution) *diff {
	d := &diff{}
	if now != nil && now.State != api.StateAbsent {
		d.Before = describe(*now)
	}
	if !o.absent {
		d.After = describe(o.want)
	}
	return d
}

// describe writes the user's part of a distribution, one field per line.
func describe(d api.Distribution) string {
	text, err := json.MarshalIndent(struct {
		Digest    string       `json:"digest"`
		Dest      string       `json:"dest"`
		Selector  api.Selector `json:"selector"`
		Owner     string       `json:"owner,omitempty"`
		Group     string       `json:"group,omitempty"`
		Mode      string       `json:"mode,omitempty"`
		Overwrite bool         `json:"overwrite,omitempty"`
	}{d.Digest, d.Path, d.Selector, d.Owner, d.Group, d.Mode, d.Overwrite}, "", "  ")
	if err != nil { // strings, lists and maps of strings always encode
		return err.Error()
	}
	return string(text) + "\n"
}

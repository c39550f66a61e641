package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/unit"
)

// view is what is known of a group at one version. Its slices are never written
// to again, so they can be handed out.
type view struct {
	version int64
	members []overlay.Member // sorted by node
	slots   []unit.NodeID
}

// delta is a change of a group to Version from the one before: Gone are
// removed, then Put is added or replaced; Slots replaces all, if it is there.
type delta struct {
	Version int64           `json:"version"`
	Gone    []unit.NodeID   `json:"gone"`
	Put     *overlay.Member `json:"put"`
	Slots   *[]unit.NodeID  `json:"slots"`
}

// parseSnapshot reads the reply of snapshot.lua: version, slots, records. A
// record that does not decode, or names no node, is left out: every node may
// write there, and one must not hide the others.
func parseSnapshot(reply []string) (view, error) {
	v := view{members: make([]overlay.Member, 0, len(reply)-2)}
	var err error
	if v.version, err = strconv.ParseInt(reply[0], 10, 64); err != nil {
		return view{}, fmt.Errorf("decode version: %w", err)
	}
	if err = json.Unmarshal([]byte(reply[1]), &v.slots); err != nil {
		return view{}, fmt.Errorf("decode slots: %w", err)
	}
	for _, record := range reply[2:] {
		var m overlay.Member
		if err := json.Unmarshal([]byte(record), &m); err != nil || !named(&m) {
			slog.Debug("member left out", "record", record, "error", err)
			continue
		}
		v.members = append(v.members, m)
	}
	slices.SortFunc(v.members, func(a, b overlay.Member) int { return cmp.Compare(a.Node, b.Node) })
	return v, nil
}

// named reports whether a record names a node.
func named(m *overlay.Member) bool {
	_, err := unit.ParseNodeID(string(m.Node))
	return err == nil
}

// apply returns v one version on. d must be the next one.
func (v view) apply(d delta) view {
	v.version = d.Version
	if d.Put != nil && !named(d.Put) {
		d.Put = nil
	}
	if len(d.Gone) > 0 || d.Put != nil {
		v.members = slices.Clone(v.members)
	}
	for _, node := range d.Gone {
		if i, found := v.find(node); found {
			v.members = slices.Delete(v.members, i, i+1)
		}
	}
	if d.Put != nil {
		i, found := v.find(d.Put.Node)
		if !found {
			v.members = slices.Insert(v.members, i, overlay.Member{})
		}
		v.members[i] = *d.Put
	}
	if d.Slots != nil {
		v.slots = *d.Slots
	}
	return v
}

func (v view) find(node unit.NodeID) (int, bool) {
	return slices.BinarySearchFunc(v.members, node, func(m overlay.Member, n unit.NodeID) int { return cmp.Compare(m.Node, n) })
}

func (v view) group(k GroupKey) overlay.Group {
	return overlay.Group{Location: k.Location, Version: v.version, Members: v.members, Slots: v.slots}
}

package store

import (
	"fmt"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// GroupKey names a group: the peers of one transfer at one location.
type GroupKey struct {
	Digest   artifact.Digest
	Location unit.Location
}

// String writes digest and location, such as "sha256:…/ams1/rsn-27".
func (k GroupKey) String() string { return k.Digest.String() + "/" + string(k.Location) }

// keys builds the names of keys and channels; doc.go lists them.
type keys struct{ prefix string }

func (k keys) nodesKnown() string    { return k.prefix + ":{nodes}:known" }
func (k keys) nodesAlive() string    { return k.prefix + ":{nodes}:alive" }
func (k keys) artifacts() string     { return k.prefix + ":{artifacts}:records" }
func (k keys) distributions() string { return k.prefix + ":{distributions}:records" }

func (k keys) backups() string   { return k.prefix + ":{backups}:records" }
func (k keys) schedules() string { return k.prefix + ":{schedules}:records" }
func (k keys) runs() string      { return k.prefix + ":{runs}:records" }
func (k keys) holds() string     { return k.prefix + ":{holds}:records" }
func (k keys) limits() string    { return k.prefix + ":{limits}:records" }

func (k keys) links() string    { return k.prefix + ":{links}:records" }
func (k keys) readings() string { return k.prefix + ":{links}:readings" }

// linkFacts returns the keys of the scripts for what is known of links, in their order.
func (k keys) linkFacts() []string { return []string{k.links(), k.readings()} }

func (k keys) claims(l unit.Location) string {
	return k.prefix + ":{link/" + string(l) + "}:claims"
}

func (k keys) reports(run string) string { return k.prefix + ":{runs}:reports:" + run }
func (k keys) lease(name string) string  { return k.prefix + ":{lease/" + name + "}" }

// run returns the keys of the scripts of a run, in their order.
func (k keys) run(id string) []string { return []string{k.runs(), k.reports(id)} }

// identities are with the records that they name, as a cluster may lose one
// shard.
func (k keys) identities() []string {
	return []string{k.prefix + ":{artifacts}:identity", k.prefix + ":{distributions}:identity"}
}

func (k keys) seeds(digest string) string { return k.prefix + ":{artifacts}:seeds:" + digest }
func (k keys) troubles(digest string) string {
	return k.prefix + ":{artifacts}:troubles:" + digest
}
func (k keys) status(dist string) string { return k.prefix + ":{status/" + dist + "}" }

// pending returns the keys of pending.lua, in its order.
func (k keys) pending(d artifact.Digest) []string {
	tag := fmt.Sprintf("%s:{%s}", k.prefix, d)
	return []string{tag + ":pending", tag + ":pending:locations"}
}

// group returns the keys of group.lua, in its order.
func (k keys) group(g GroupKey) []string {
	tag := fmt.Sprintf("%s:{%s}", k.prefix, g)
	return []string{tag + ":members", tag + ":leases", tag + ":slots", tag + ":version"}
}

func (k keys) distributionsChannel() string     { return k.prefix + ":distributions" }
func (k keys) statusChannel(dist string) string { return k.status(dist) + ":moved" }
func (k keys) demandChannel() string            { return k.prefix + ":demand" }
func (k keys) runsChannel() string              { return k.prefix + ":runs" }
func (k keys) controlsChannel() string          { return k.prefix + ":controls" }
func (k keys) reportsChannel(run string) string { return k.prefix + ":{runs}:reported:" + run }
func (k keys) groupChannel(g GroupKey) string   { return fmt.Sprintf("%s:{%s}:delta", k.prefix, g) }

package swarm

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Account is what a swarm has had to do with one node, in bytes of block
// payload and in requests that it was sent.
type Account struct {
	Node      unit.NodeID
	Location  unit.Location // "" for a foreign peer
	Initial   bool
	Foreign   bool
	Connected bool
	Down, Up  unit.Bytes
	Duplicate unit.Bytes // of Down, thrown away: there already, or asked of another
	Bad       unit.Bytes // of Down, proven wrong
	Requests  int        // to it
	Rejects   int        // by it
	Latency   time.Duration
	Rate      unit.Rate // 0: not known
	Window    int       // bytes that it may owe
	Owed      int       // bytes that it does
}

// crossing is block payload that was moved across so many uplinks of our own
// locations. It is added up as it is moved: where a node stood then counts, not where
// it is met next.
type crossing struct{ received, sent unit.Bytes }

// Crossed tells what was received and sent, in bytes of block payload, by how many
// uplinks of our own locations that crossed.
func (s *Swarm) Crossed(tell func(uplinks int, received, sent unit.Bytes)) {
	for uplinks, c := range s.crossings {
		tell(uplinks, c.received, c.sent)
	}
}

// Accounts lists all nodes that were ever connected, by name.
func (s *Swarm) Accounts() []Account {
	list := make([]Account, 0, len(s.known)-1)
	for _, k := range s.known[1:] {
		a := k.account
		if p := k.peer; p != nil {
			a.Connected = true
			a.Latency, a.Rate, a.Window, a.Owed = p.pace.latency, p.pace.rate, p.pace.window, p.owed
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.Node, b.Node) })
	return list
}

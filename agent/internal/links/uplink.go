package links

import (
	"reflect"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// uplink is the link of a location that the node stands in, which it shares with
// others.
type uplink struct {
	self     unit.NodeID
	location unit.Location
	up, down direction
	said     store.LinkClaim // what others can read, or could
}

// direction is one direction of an uplink, as this node uses it.
type direction struct {
	*bandwidth.User
	hop topo.Hop
}

func newDirection(self unit.NodeID, h topo.Hop) direction {
	return direction{bandwidth.NewUser(self, bandwidth.ClaimWindow), h}
}

func newUplink(self unit.NodeID, l unit.Location) *uplink {
	return &uplink{self: self, location: l, said: store.LinkClaim{Node: self},
		up:   newDirection(self, topo.Hop{Location: l, Up: true}),
		down: newDirection(self, topo.Hop{Location: l}),
	}
}

func (u *uplink) direction(up bool) direction {
	if up {
		return u.up
	}
	return u.down
}

// turn is what the node says of the link now.
type turn struct {
	up, down []bandwidth.Claim
	record   store.LinkClaim
}

// claim makes the claims of both directions.
func (u *uplink) claim(now unit.Time, f facts) turn {
	t := turn{up: u.up.Claims(now, f.capacity(true)), down: u.down.Claims(now, f.capacity(false))}
	moved := bandwidth.Moved{Up: u.up.Moved(), Down: u.down.Moved()}.OnWire()
	t.record = store.LinkClaim{
		Node: u.self, Up: byRank(t.up), Down: byRank(t.down), MovedUp: moved.Up, MovedDown: moved.Down,
		UsedUp: u.up.Used(), UsedDown: u.down.Used(),
	}
	return t
}

func byRank(claims []bandwidth.Claim) map[string]unit.Rate {
	if len(claims) == 0 {
		return nil
	}
	m := map[string]unit.Rate{}
	for _, c := range claims {
		m[c.Rank.String()] = c.Demand
	}
	return m
}

// news reports whether the others need to hear of a turn: as long as something is
// wanted, and until they know that nothing is any more, and all that was moved.
func (u *uplink) news(t turn) bool {
	return len(t.up)+len(t.down) > 0 || !reflect.DeepEqual(t.record, u.said)
}

// settledFor is for how long claims must have been kept before none can be missing. A
// node goes on with its share for ClaimLife after what it takes for its last exchange,
// and may take one for done up to exchangeTimeout after the store had it.
const settledFor = bandwidth.ClaimLife + exchangeTimeout

// heard takes the claims of all nodes, as they stood when this node's were told, and for
// how long they have been kept.
func (u *uplink) heard(now unit.Time, t turn, all []store.LinkClaim, kept time.Duration) {
	u.said = t.record
	var up, down []bandwidth.Claim
	complete := kept >= settledFor
	for _, c := range all {
		if c.Age < bandwidth.ClaimLife {
			up, down = append(up, claimsOf(c.Node, c.Up)...), append(down, claimsOf(c.Node, c.Down)...)
		} else if c.Age < settledFor && c.Node != u.self {
			complete = complete && len(c.Up)+len(c.Down) == 0 // its node may still go by it
		}
	}
	u.up.Heard(now, t.up, up, complete)
	u.down.Heard(now, t.down, down, complete)
}

func claimsOf(node unit.NodeID, demands map[string]unit.Rate) (all []bandwidth.Claim) {
	for name, demand := range demands {
		if rank, err := bandwidth.ParseRank(name); err == nil {
			all = append(all, bandwidth.Claim{Node: node, Rank: rank, Demand: demand})
		}
	}
	return all
}

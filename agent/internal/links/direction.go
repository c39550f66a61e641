package links

import (
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// interval is how often claims are exchanged and shares computed.
	interval = 250 * time.Millisecond
	// shareInterval is what the sharers reckon with: an exchange takes its time.
	shareInterval = 300 * time.Millisecond
	// claimLife is how long a claim counts that is not renewed.
	claimLife = 3 * time.Second
	// A use is the mean of usedOver at least, and of the time in which some blocks
	// come at the share's rate: at low rates there is none in most intervals.
	usedOver             = time.Second
	usedMost             = 10 * time.Second
	someBlocks           = 256 * unit.KiB
	growth     unit.Rate = 8 // part of a use that is left to grow
)

// direction is one direction of an uplink, as this node uses it.
type direction struct {
	self   unit.NodeID
	hop    topo.Hop
	sharer *bandwidth.Sharer
	ranks  map[bandwidth.Rank]*use
	share  unit.Rate // on the wire, as it was reckoned last
}

// use is what transfers of one rank want and move.
type use struct {
	appetite bandwidth.Appetite
	wants    bool
	moved    []sample // of the last usedOver, the oldest first
	demand   unit.Rate
}

// sample is a sum of payload at a time.
type sample struct {
	at    unit.Time
	moved unit.Bytes
}

func newDirection(self unit.NodeID, h topo.Hop) *direction {
	d := &direction{self: self, hop: h, ranks: map[bandwidth.Rank]*use{}}
	for rank := bandwidth.Background; rank <= bandwidth.Urgent; rank++ {
		d.ranks[rank] = &use{}
	}
	d.forget()
	return d
}

// forget begins anew, as others know nothing of this node any more.
func (d *direction) forget() {
	d.sharer = bandwidth.NewSharer(d.self, shareInterval)
}

// observe notes what transfers of a rank want, and the payload that they have moved.
func (d *direction) observe(now unit.Time, rank bandwidth.Rank, wants bool, moved unit.Bytes) {
	u := d.ranks[rank]
	if u == nil {
		return
	}
	u.wants = wants
	u.moved = append(u.moved, sample{now, moved})
	over := min(max(usedOver, someBlocks.Over(max(d.share, 1))), usedMost)
	for len(u.moved) > 2 && now.Sub(u.moved[1].at) >= over {
		u.moved = u.moved[1:]
	}
}

// active reports whether something is wanted or was moved lately.
func (d *direction) active() bool {
	for _, u := range d.ranks {
		if u.wants || u.rate() > 0 {
			return true
		}
	}
	return false
}

// rate is how fast the rank moves payload: in the last interval, or on average of the
// last seconds if that is more.
func (u *use) rate() unit.Rate {
	if len(u.moved) < 2 {
		return 0
	}
	last := u.moved[len(u.moved)-1]
	over := func(from sample) unit.Rate {
		passed := last.at.Sub(from.at)
		if passed <= 0 || last.moved < from.moved {
			return 0
		}
		return unit.Rate(float64(last.moved-from.moved) / passed.Seconds())
	}
	return max(over(u.moved[0]), over(u.moved[len(u.moved)-2]))
}

// used is what all ranks move now, on the wire.
func (d *direction) used() (sum unit.Rate) {
	for _, u := range d.ranks {
		sum += u.onWire()
	}
	return sum
}

func (u *use) onWire() unit.Rate { return unit.Rate(float64(u.rate()) * wirePerPayload) }

// payload is all that has been moved.
func (d *direction) payload() (sum unit.Bytes) {
	for _, u := range d.ranks {
		if n := len(u.moved); n > 0 {
			sum += u.moved[n-1].moved
		}
	}
	return sum
}

// claims are what to say of this node's demand now, none for a rank that wants
// nothing. floor is the link's.
func (d *direction) claims(now unit.Time, floor unit.Rate) (all []bandwidth.Claim) {
	used := d.used()
	for rank := bandwidth.Background; rank <= bandwidth.Urgent; rank++ {
		u := d.ranks[rank]
		own := u.onWire()
		share := max(d.share-(used-own), 0)
		u.demand = u.appetite.Demand(now, u.wish(own), own, share, floor)
		if u.demand > 0 {
			all = append(all, bandwidth.Claim{Node: d.self, Rank: rank, Demand: u.demand})
		}
	}
	return all
}

// wish is what the rank would move if it were alone. Who wants no more at the moment,
// as all that it lacks is under way, needs what it uses and some to grow.
func (u *use) wish(used unit.Rate) unit.Rate {
	if u.wants {
		return unit.Unlimited
	}
	return used + used/growth
}

// claiming reports whether this node has said that it wants something.
func (d *direction) claiming() bool {
	for _, u := range d.ranks {
		if u.demand > 0 {
			return true
		}
	}
	return false
}

// heard notes that others can read own from now on, and what they want.
func (d *direction) heard(now unit.Time, own, all []bandwidth.Claim) {
	d.sharer.Publish(now, own)
	d.sharer.Read(now, all)
}

// budget is what this node may move when the fleet may move what fleet says. told is
// whether others can read what this node claims. Who claims nothing may begin with
// the floor.
func (d *direction) budget(now unit.Time, fleet bandwidth.Budget, told bool) bandwidth.Budget {
	b := fleet
	switch {
	case fleet.Rate == unit.Unlimited:
	case told && d.claiming():
		b = d.sharer.Share(now, fleet)
	default:
		b = fleet.AtMost(bandwidth.FloorOf(fleet.Binding.Capacity), bandwidth.Joining)
	}
	d.share = b.Rate
	return ofPayload(b)
}

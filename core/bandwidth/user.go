package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// How the users of a link agree on their shares.
const (
	// ClaimEvery is how often claims are exchanged and shares computed at least: who begins
	// to want something does so at once.
	ClaimEvery = 250 * time.Millisecond
	// ClaimWindow is what a User reckons with: an exchange takes its time.
	ClaimWindow = 300 * time.Millisecond
	// ClaimLife is how long a claim counts that is not renewed.
	ClaimLife = 3 * time.Second
)

const (
	// A use is the mean of usedOver at least, and of the time in which someBlocks come
	// at the share's rate, up to usedMost: at low rates none comes in most intervals.
	usedOver   = time.Second
	usedMost   = 10 * time.Second
	someBlocks = 256 * unit.KiB
	// quietAfter is for how long nothing is moved until that says something: two
	// exchanges, less a fifth of one, so that the second counts also if it is early.
	quietAfter = 2*ClaimEvery - ClaimEvery/5
	// growth is the part of a use that is left to grow.
	growth unit.Rate = 8
	// wirePerPayload is what block payload takes on a link: frames, TCP, TLS, and the
	// messages of the protocol, which are a hundredth at most.
	wirePerPayload = 1.01 / topo.Goodput
	// acksPerPayload is what goes the other way for it: an acknowledgement of 66 bytes
	// for every second segment at most.
	acksPerPayload = 66. / (2 * 1448)
)

// User is a node as a user of one direction of an uplink, which it shares with
// others: it makes its claims of what the node's transfers want and move, and what
// they may move of everybody's claims. Rates and budgets of the link count bytes on
// the wire; what was moved, and Budget, payload.
//
// A User is owned by one goroutine; times must not go back.
type User struct {
	self     unit.NodeID
	interval time.Duration
	sharer   *Sharer
	uses     [ranks]rankUse
	share    unit.Rate // as it was reckoned last
	told     unit.Time // when others could read its claims first, if any
	ever     bool      // they could at all
}

// rankUse is what transfers of one rank want and move.
type rankUse struct {
	appetite Appetite
	wants    bool
	moved    []tally // of the time that a use is the mean of, the oldest first
	demand   unit.Rate
	active   unit.Time // when something was wanted or moved last
	flowed   unit.Time // when something was moved last, or the share grew
	share    unit.Rate // that there was at the last claims
	flows    bool      // it was, since something is wanted
	stalled  bool      // and is not any more, see noteStall
}

// tally is payload that was moved until a time.
type tally struct {
	at    unit.Time
	bytes unit.Bytes
}

// NewUser returns a user of whom nobody has heard. Claims are published, and those
// of others read, once per interval.
func NewUser(self unit.NodeID, interval time.Duration) *User {
	return &User{self: self, interval: interval, sharer: NewSharer(self, interval)}
}

// Observe notes whether transfers of a rank want to move something over the link,
// and the payload that they have moved so far.
func (u *User) Observe(now unit.Time, rank Rank, wants bool, moved unit.Bytes) {
	x := &u.uses[rank.index()]
	if n := len(x.moved); n > 0 && moved != x.moved[n-1].bytes {
		x.flows, x.stalled, x.flowed, x.active = true, false, now, now
	}
	if x.wants = wants; wants {
		x.active = now
	}
	x.moved = append(x.moved, tally{now, moved})
	over := min(max(usedOver, someBlocks.Over(max(u.share, 1))), usedMost)
	for len(x.moved) > 2 && now.Sub(x.moved[1].at) >= over {
		x.moved = x.moved[1:]
	}
	if now.Sub(x.active) >= quietAfter {
		x.end()
	}
}

// end forgets what was moved but for the sum: a mean of what is over would keep a claim
// alive that nobody uses.
func (x *rankUse) end() { x.moved, x.flows, x.stalled = x.moved[len(x.moved)-1:], false, false }

// noteStall notes that a rank that wants something, and had begun to move it, has moved
// nothing for quietAfter, though its share had room for some blocks. It is stalled until
// something is moved again. With a share that has more than doubled the time begins anew:
// what it has room for is asked for only now.
func (x *rankUse) noteStall(now unit.Time, share unit.Rate) {
	if share/2 > x.share {
		x.flowed = now
	}
	x.share = share
	if quiet := now.Sub(x.flowed); x.wants && x.flows && quiet >= quietAfter && share.In(quiet) >= someBlocks {
		x.stalled = true
	}
}

// Active reports whether something is wanted or was moved lately.
func (u *User) Active() bool {
	for i := range u.uses {
		if u.uses[i].wants || u.uses[i].rate() > 0 {
			return true
		}
	}
	return false
}

// Used is what the node moves now, on the wire.
func (u *User) Used() (all unit.Rate) {
	for i := range u.uses {
		all += u.uses[i].onWire()
	}
	return all
}

// Moved is the payload that the node has moved so far.
func (u *User) Moved() (all unit.Bytes) {
	for i := range u.uses {
		if n := len(u.uses[i].moved); n > 0 {
			all += u.uses[i].moved[n-1].bytes
		}
	}
	return all
}

// rate is how fast the rank moves payload: in the last interval, or on average if
// that is more.
func (x *rankUse) rate() unit.Rate {
	n := len(x.moved)
	if n < 2 {
		return 0
	}
	last := x.moved[n-1]
	since := func(from tally) unit.Rate { return (last.bytes - from.bytes).Per(last.at.Sub(from.at)) }
	return max(since(x.moved[0]), since(x.moved[n-2]))
}

func (x *rankUse) onWire() unit.Rate { return unit.Rate(float64(x.rate()) * wirePerPayload) }

// wish is what the rank would move if it were alone. Who wants no more at the moment,
// as all that it lacks is under way, needs what it uses and some to grow.
func (x *rankUse) wish(used unit.Rate) unit.Rate {
	if x.wants {
		return unit.Unlimited
	}
	return used + used/growth
}

// Claims are what to publish of the node's demand now, none for a rank that wants
// nothing. Capacity is the link's, 0 if it is not known.
func (u *User) Claims(now unit.Time, capacity unit.Rate) (all []Claim) {
	used := u.Used()
	for i := range u.uses {
		x := &u.uses[i]
		own, floor := x.onWire(), FloorOf(capacity)
		share := max(u.share-(used-own), 0)
		x.demand = x.appetite.Demand(now, x.wish(own), own, share, floor)
		x.noteStall(now, share)
		// What is urgent keeps what it may need again: less would have what it asks for next
		// wait behind what others asked for meanwhile.
		if rank := Rank(i) + Background; rank < Urgent && x.stalled {
			x.demand = min(x.demand, floor)
		}
		if x.demand > 0 {
			all = append(all, Claim{u.self, Rank(i) + Background, x.demand})
		}
	}
	return all
}

// Heard notes that others can read own from now on, for ClaimLife, and what all
// claim. That own is empty is something that others know of the node, too. Who was
// not heard for so long begins anew: to others it is a newcomer. Complete says that
// nobody has a share whose claim is not in all, as it stood when own was told: who
// finds none but its own there has nobody to wait for.
func (u *User) Heard(now unit.Time, own, all []Claim, complete bool) {
	if !u.isTold(now) {
		u.sharer = NewSharer(u.self, u.interval)
	}
	u.told, u.ever = now, true
	u.sharer.Publish(now, own)
	u.sharer.Read(now, all)
	if complete {
		u.sharer.Complete(now)
	}
}

// isTold reports whether others can read what the node claims.
func (u *User) isTold(now unit.Time) bool { return u.ever && now.Sub(u.told) < ClaimLife }

// Budget is the payload that the node may move when the fleet may use what fleet
// says of the link. Who is not heard, or claims nothing, may begin with the floor.
func (u *User) Budget(now unit.Time, fleet Budget) Budget {
	b := fleet
	switch {
	case fleet.Rate == unit.Unlimited:
	case u.isTold(now) && u.claims():
		b = u.sharer.Share(now, fleet)
	default:
		b = fleet.AtMost(FloorOf(fleet.Binding.Capacity), Joining)
	}
	u.share = b.Rate
	return b.Payload()
}

func (u *User) claims() bool {
	for i := range u.uses {
		if u.uses[i].demand > 0 {
			return true
		}
	}
	return false
}

// OnWire is what block payload that was moved is on a link.
func (m Moved) OnWire() Moved {
	up, down := float64(m.Up), float64(m.Down)
	return Moved{
		Up:   unit.Bytes(up*wirePerPayload + down*acksPerPayload),
		Down: unit.Bytes(down*wirePerPayload + up*acksPerPayload),
	}
}

// TCPOnWire is what TCP's payload that was moved is on a link.
func (m Moved) TCPOnWire() Moved {
	up, down := float64(m.Up), float64(m.Down)
	return Moved{
		Up:   unit.Bytes(up/topo.Goodput + down*acksPerPayload),
		Down: unit.Bytes(down/topo.Goodput + up*acksPerPayload),
	}
}

// Payload is the budget of block payload that a budget of bytes on the wire leaves.
func (b Budget) Payload() Budget {
	b.Binding.Rate = PayloadOf(b.Rate)
	return NewBudget(b.Binding)
}

// PayloadOf is the rate of block payload that a rate on the wire carries: 0 is 0 and
// unit.Unlimited itself.
func PayloadOf(wire unit.Rate) unit.Rate {
	if wire == unit.Unlimited || wire <= 0 {
		return max(wire, 0)
	}
	return max(unit.Rate(float64(wire)/wirePerPayload), 1)
}

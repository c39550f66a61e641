package swarm

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Choking without messages of its own: a peer that is choked is refused, and told
// when the round ends; it asks this node for nothing until then. Who asked in the
// round before is interested.
const (
	// unchokedPeers are served at a time, by what they are worth.
	unchokedPeers = 4
	// Tit-for-tat: BitTorrent's times.
	titForTatRound  = 10 * time.Second
	optimisticRound = 30 * time.Second
	// A market's prices change with each span that spreads.
	auctionRound = time.Second
)

// rounds serves the peers that are worth most, chosen anew in each round, and by
// chance one more.
type rounds struct {
	every time.Duration
	// worth says what it is worth to serve a client now; more is better.
	worth func(s *Swarm, now unit.Time, c *client) float64
	// chance chooses who is served optimistically; nil: nobody is.
	chance *unit.Rand

	ends    unit.Time // of this round; 0: none yet
	clients map[seat]*client
	lucky   seat
	luckTo  unit.Time // when somebody else is lucky
}

// client is a peer that asked for something.
type client struct {
	peer     *peer
	asked    unit.Time
	wants    int32 // what it asked for last
	served   bool
	down, up unit.Bytes // what it had given and taken when the round began
}

// newTitForTat serves by what peers gave in the round before, or took if there is
// nothing left to be given.
func newTitForTat(r *unit.Rand) *rounds {
	return &rounds{every: titForTatRound, chance: r, clients: map[seat]*client{}, worth: func(s *Swarm, _ unit.Time, c *client) float64 {
		if s.left == 0 {
			return float64(c.peer.account.Up - c.up)
		}
		return float64(c.peer.account.Down - c.down)
	}}
}

func (k *rounds) wait(s *Swarm, now unit.Time, p *peer, x int32) (time.Duration, RejectReason) {
	if now >= k.ends {
		k.next(s, now)
	}
	c := k.clients[p.seat]
	if c == nil || c.peer != p {
		c = &client{peer: p, down: p.account.Down, up: p.account.Up}
		k.clients[p.seat] = c
	}
	c.asked, c.wants = now, x
	c.served = c.served || k.room(s)
	if c.served {
		return 0, 0
	}
	return k.ends.Sub(now), Busy
}

func (k *rounds) refused(now unit.Time, p *peer, wait time.Duration) {
	p.chokedUntil = now.Add(wait)
}

// slots is how many are served at a time.
func (k *rounds) slots() int {
	if k.chance != nil {
		return unchokedPeers + 1
	}
	return unchokedPeers
}

// room reports whether fewer are being served than may be.
func (k *rounds) room(s *Swarm) bool {
	n := 0
	for _, c := range k.clients {
		if c.served && s.peers[c.peer.Node] == c.peer {
			n++
		}
	}
	return n < k.slots()
}

// next begins a round: who asked in the one before is judged by it.
func (k *rounds) next(s *Swarm, now unit.Time) {
	began := k.ends.Add(-k.every)
	k.ends = now.Add(k.every)
	var interested []*client
	for at, c := range k.clients {
		if c.asked < began || s.peers[c.peer.Node] != c.peer {
			delete(k.clients, at)
			continue
		}
		interested = append(interested, c)
	}
	worth := make(map[*client]float64, len(interested))
	for _, c := range interested {
		worth[c] = k.worth(s, now, c)
	}
	slices.SortFunc(interested, func(a, b *client) int {
		return cmp.Or(cmp.Compare(worth[b], worth[a]), cmp.Compare(a.peer.Node, b.peer.Node))
	})
	for i, c := range interested {
		c.served = i < unchokedPeers
		c.down, c.up = c.peer.account.Down, c.peer.account.Up
	}
	if k.chance != nil && len(interested) > unchokedPeers {
		k.tryLuck(now, interested[unchokedPeers:])
	}
}

// tryLuck serves one of those that are not worth it, the same for some rounds: it
// may turn out to be.
func (k *rounds) tryLuck(now unit.Time, rest []*client) {
	i := slices.IndexFunc(rest, func(c *client) bool { return c.peer.seat == k.lucky })
	if i < 0 || now >= k.luckTo {
		i = k.chance.IntN(len(rest))
		k.lucky, k.luckTo = rest[i].peer.seat, now.Add(optimisticRound)
	}
	rest[i].served = true
}

// newAuction serves who pays most. The price of a span is its distribution level,
// how many lack it per peer that has it, times the speed level of who buys it.
func newAuction() *rounds {
	return &rounds{every: auctionRound, clients: map[seat]*client{}, worth: func(s *Swarm, now unit.Time, c *client) float64 {
		return s.scarcity(c.wants) * s.speedLevel(now, c.peer)
	}}
}

// scarcity is how many peers lack a span that is here, per node that has it.
func (s *Swarm) scarcity(x int32) float64 {
	holders := 1 // ourselves
	for _, p := range s.list {
		if p.have.Has(int(x)) {
			holders++
		}
	}
	return float64(1+len(s.list)-holders) / float64(holders)
}

// speedLevel is how fast a peer is in comparison with the mean of those of which
// anything is known, from a quarter to four; 1 if nothing is known of it.
func (s *Swarm) speedLevel(now unit.Time, p *peer) float64 {
	own, sum, known := s.speed(now, p), 0.0, 0
	for _, q := range s.list {
		if v := s.speed(now, q); v > 0 {
			sum += v
			known++
		}
	}
	if own == 0 {
		return 1
	}
	return min(max(own*float64(known)/sum, 0.25), 4)
}

// uploadShare is what a peer is taken to send per byte that it receives, if nothing
// was received from it.
const uploadShare = 1. / 8

// speed estimates what a peer can send, in bytes per second: what it sent us, or a
// share of what it received since we met, as its HAVEs tell; 0 if it is not known.
func (s *Swarm) speed(now unit.Time, p *peer) float64 {
	met := now.Sub(p.met).Seconds()
	if p.pace.rate > 0 || met <= 0 || len(s.cfg.Lengths) == 0 {
		return float64(p.pace.rate)
	}
	gained := float64(p.haveCount-p.broughtCount) * float64(s.cfg.Lengths[0])
	return math.Max(gained, 0) / met * uploadShare
}

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/unit"
)

// settings of all cases.
type settings struct {
	rate    unit.Rate // of each host's link, both ways
	notSent int       // bytes that the kernel takes of a connection beyond what it has sent
	lasts   time.Duration
}

// load is who sends data to whom meanwhile.
type load struct {
	name             string
	sender, neighbor bool // the one that tells; the peers one another
}

var loads = []load{
	{name: "none"},
	{name: "the sender's uplink", sender: true},
	{name: "the receivers' downlinks", neighbor: true},
	{name: "both", sender: true, neighbor: true},
}

// way is how peers are told.
type way byte

const (
	shared way = iota
	own
	datagram
	multicast
	ways
)

func (w way) String() string {
	return [...]string{"shared connection", "connection of its own", "UDP", "multicast"}[w]
}

const (
	warmUp = 4 * time.Second // until the windows of TCP are what they will be
	settle = time.Second     // for what is under way at the end
	// between is the mean time between two STARTs, whatever way they take.
	between = 25 * time.Millisecond
	// startSize is about that of a START for one span; nameSize is what a datagram
	// would need beside: the transfer's name and a proof of who sent it.
	startSize = 14
	nameSize  = 24
)

// journal is what has arrived.
type journal struct {
	mu   sync.Mutex
	took [ways][]time.Duration
}

var began = time.Now()

// mark is the body of a START that is sent now.
func mark(w way) []byte {
	b := make([]byte, startSize, startSize+nameSize)
	b[0] = byte(w)
	binary.BigEndian.PutUint64(b[1:], uint64(time.Since(began)))
	if w == datagram || w == multicast {
		b = b[:startSize+nameSize]
	}
	return b
}

func (j *journal) arrived(_ int, body []byte) {
	took := time.Since(began) - time.Duration(binary.BigEndian.Uint64(body[1:]))
	j.mu.Lock()
	defer j.mu.Unlock()
	w := way(body[0])
	j.took[w] = append(j.took[w], took)
}

// tell sends a START to all peers.
func (r *rack) tell(w way) error {
	body := mark(w)
	switch w {
	case shared:
		for _, l := range r.shared {
			l.start(body)
		}
	case own:
		for _, l := range r.own {
			l.start(body)
		}
	case datagram:
		for _, h := range r.hosts[1:] {
			to := netip.AddrPortFrom(h.Address, datagramPort)
			if _, err := r.datagrams.WriteTo(body, net.UDPAddrFromAddrPort(to)); err != nil {
				return err
			}
		}
	case multicast:
		_, err := r.multicast.WriteTo(body, net.UDPAddrFromAddrPort(group))
		return err
	}
	return nil
}

// measure does one case and prints its lines of the table.
func measure(ctx context.Context, s settings, l load) (err error) {
	window, _ := pace(s.rate)
	var j journal
	r, err := newRack(ctx, s, j.arrived)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var cost [ways]float64
	if l == loads[0] {
		if cost, err = r.cost(ctx); err != nil {
			return err
		}
		j.took = [ways][]time.Duration{}
	}
	r.begin(l, window)
	if err := pause.For(ctx, warmUp); err != nil {
		return err
	}
	used, sent, err := r.tellAll(ctx, s.lasts)
	if err != nil {
		return err
	}
	if err := pause.For(ctx, settle); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for w := range ways {
		line(s.rate, l, float64(used)/float64(s.rate.In(s.lasts)), w, sent[w], j.took[w], cost[w])
	}
	return nil
}

// pace is what an agent would owe a peer that gets a seventh of a link, and ask for at
// once: what comes in 200 ms, up to 512 KiB, and in 30 ms, in steps of 16 KiB
// (core/swarm/pace.go).
func pace(rate unit.Rate) (window, block int) {
	const grain = 16 << 10
	share := rate / peers
	window = min(int(share.In(200*time.Millisecond)), 512<<10)
	block = max(min(window/2, int(share.In(30*time.Millisecond)))/grain*grain, grain)
	return window, block
}

// begin has data move that the load consists of.
func (r *rack) begin(l load, window int) {
	for _, lane := range r.among {
		if l.neighbor {
			lane.request(window)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, lane := range r.receiving {
		if l.sender {
			lane.request(window)
		}
	}
}

// tellAll sends STARTs at random moments for a time, and returns what crossed the link
// under load meanwhile, and how many went which way.
func (r *rack) tellAll(ctx context.Context, lasts time.Duration) (used unit.Bytes, sent [ways]int, err error) {
	before, err := r.crossed()
	if err != nil {
		return 0, sent, err
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		w := way(rand.N(int(ways)))
		if err := r.tell(w); err != nil {
			return 0, sent, fmt.Errorf("send by %s: %w", w, err)
		}
		sent[w]++
		if err := pause.For(ctx, time.Duration(rand.ExpFloat64()*float64(between))); err != nil {
			return 0, sent, err
		}
	}
	after, err := r.crossed()
	return after - before, sent, err
}

// crossed is the payload that has passed the busier of the sender's uplink and a
// receiver's downlink.
func (r *rack) crossed() (unit.Bytes, error) {
	up, err := r.net.HostCrossed(r.hosts[0].Node)
	if err != nil {
		return 0, err
	}
	down, err := r.net.HostCrossed(r.hosts[1].Node)
	return max(up.Up, down.Down), err
}

// cost is what a START costs the sender's link for each peer, in bytes on layer 2 with
// what is answered, while nothing else is sent.
func (r *rack) cost(ctx context.Context) (each [ways]float64, err error) {
	const times = 200
	for w := range ways {
		before, err := r.traffic()
		if err != nil {
			return each, err
		}
		for range times {
			if err := errors.Join(r.tell(w), pause.For(ctx, between)); err != nil {
				return each, err
			}
		}
		if err := pause.For(ctx, settle); err != nil {
			return each, err
		}
		after, err := r.traffic()
		if err != nil {
			return each, err
		}
		each[w] = float64(after-before) / times / peers
	}
	return each, nil
}

func line(rate unit.Rate, l load, use float64, w way, sent int, took []time.Duration, cost float64) {
	bytes := "-"
	if cost > 0 {
		bytes = fmt.Sprintf("%.0f", cost)
	}
	slices.Sort(took)
	fmt.Printf("| %d Mbit/s | %s | %.2f | %s | %d | %s | %s | %s | %.2f%% | %s |\n", rate*8/1e6, l.name, use, w, sent,
		percentile(took, 0.5), percentile(took, 0.99), percentile(took, 1), 100-100*float64(len(took))/float64(sent*peers), bytes)
}

// percentile is that of sorted times, in milliseconds.
func percentile(sorted []time.Duration, p float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	at := sorted[int(p*float64(len(sorted)-1))]
	return fmt.Sprintf("%.1f", float64(at)/float64(time.Millisecond))
}

package reconcile

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// network moves bytes between the nodes of a test in place of real peers: what a
// member lacks is copied from other members' contents.
type network struct {
	mu      sync.Mutex
	members map[artifact.Digest]map[*memSwarm]*membership
	limit   int // spans that may move; -1 for any number
	served  int // spans, of all nodes
}

func newNetwork() *network {
	return &network{members: map[artifact.Digest]map[*memSwarm]*membership{}, limit: -1}
}

// block stops all spans from now on, or lets them move.
func (n *network) block(blocked bool) {
	if blocked {
		n.stopAfter(n.moved())
	} else {
		n.stopAfter(-1)
	}
}

// stopAfter lets no more than so many spans move, counted from the start.
func (n *network) stopAfter(limit int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.limit = limit
}

func (n *network) moved() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.served
}

// memRate is what Stats says, as a meter that has not run down would.
const memRate = 258_048

// membership is one node's part in one transfer. Guarded by the network's mu.
type membership struct {
	opts     swarmapi.JoinOptions
	manifest *artifact.Manifest
	content  swarmapi.Content
	told     bool // Completed was sent
	failed   bool
	received int64
	sent     int64
	limits   *limits // that Limit set; nil: none
	cancel   context.CancelFunc
}

// memSwarm is one node's swarmapi.Swarm.
type memSwarm struct {
	net     *network
	notices chan swarmapi.Notice
	ctx     context.Context
	entered map[artifact.Digest]int // times; guarded by the network's mu
	// visitors is how many other BitTorrent clients lack something.
	visitors atomic.Int32
	rates    [2]unit.Rate // guarded by the network's mu
}

func (n *network) join(ctx context.Context) *memSwarm {
	return &memSwarm{net: n, notices: make(chan swarmapi.Notice), ctx: ctx, entered: map[artifact.Digest]int{}}
}

func (s *memSwarm) Join(d artifact.Digest, o swarmapi.JoinOptions) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	group := s.net.members[d]
	if group == nil {
		group = map[*memSwarm]*membership{}
		s.net.members[d] = group
	}
	if group[s] != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	m := &membership{opts: o, cancel: cancel}
	group[s] = m
	s.entered[d]++
	go s.run(ctx, d, m)
}

func (s *memSwarm) Provide(d artifact.Digest, mf *artifact.Manifest, c swarmapi.Content) {
	s.with(d, func(m *membership) { m.manifest, m.content = mf, c })
}

func (s *memSwarm) SpansLost(d artifact.Digest, have artifact.Bitset) {
	s.with(d, func(m *membership) { m.told = false })
}

func (s *memSwarm) Leave(d artifact.Digest) {
	s.with(d, func(m *membership) {
		m.cancel()
		delete(s.net.members[d], s)
	})
}

func (s *memSwarm) Notices() <-chan swarmapi.Notice { return s.notices }

func (s *memSwarm) Stats(d artifact.Digest) (st swarmapi.Stats, ok bool) {
	s.with(d, func(m *membership) {
		st, ok = swarmapi.Stats{Received: api.Received{ByLevel: []int64{m.received}}, Sent: m.sent,
			Rate: memRate, Top: []api.PeerRate{{Name: "seed", Rate: memRate}}, Peers: len(s.net.members[d]) - 1, Role: "member", Visitors: int(s.visitors.Load())}, true
	})
	return st, ok
}

func (s *memSwarm) with(d artifact.Digest, fn func(*membership)) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if m := s.net.members[d][s]; m != nil {
		fn(m)
	}
}

func (s *memSwarm) joined(d artifact.Digest) (ok bool) {
	s.with(d, func(*membership) { ok = true })
	return ok
}

// joins is how often the node has joined a transfer.
func (s *memSwarm) joins(d artifact.Digest) int {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.entered[d]
}

// have is what the node has of a transfer that it provided content for.
func (s *memSwarm) have(d artifact.Digest) (have artifact.Bitset, ok bool) {
	var content swarmapi.Content
	s.with(d, func(m *membership) { content = m.content })
	if content == nil {
		return have, false
	}
	return content.Have(), true
}

// run turns a membership's wheel until ctx ends.
func (s *memSwarm) run(ctx context.Context, d artifact.Digest, m *membership) {
	asked := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
		notice := s.step(d, m, &asked)
		if notice == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case s.notices <- notice:
		}
	}
}

func (s *memSwarm) step(d artifact.Digest, m *membership, asked *bool) swarmapi.Notice {
	s.net.mu.Lock()
	mf, content, told, failed := m.manifest, m.content, m.told, m.failed
	blocked := s.net.limit >= 0 && s.net.served >= s.net.limit
	others := s.others(d)
	s.net.mu.Unlock()
	switch {
	case content == nil && !*asked && len(others) > 0:
		*asked = true
		return swarmapi.ManifestFetched{Digest: d, Manifest: others[0].manifest}
	case content == nil || told || failed:
		return nil
	case content.Have().Full():
		s.with(d, func(m *membership) { m.told = true })
		return swarmapi.Completed{Digest: d}
	case !blocked:
		return s.fetch(d, m, mf, content, others)
	}
	return nil
}

// others returns the members that have something, under the network's lock.
func (s *memSwarm) others(d artifact.Digest) []*membership {
	var list []*membership
	for other, m := range s.net.members[d] {
		if other != s && m.content != nil {
			list = append(list, m)
		}
	}
	return list
}

// fetch copies one span that is missing.
func (s *memSwarm) fetch(d artifact.Digest, m *membership, mf *artifact.Manifest, content swarmapi.Content, others []*membership) swarmapi.Notice {
	span := content.Have().NextClear(0)
	for _, other := range others {
		if !other.content.Have().Has(span) {
			continue
		}
		data := make([]byte, mf.Span(span).Length)
		if other.content.ReadAt(span, 0, data) != nil {
			continue
		}
		err := content.WriteSpan(span, data)
		var bad *storage.BadPieceError
		if err != nil && !errors.As(err, &bad) {
			s.with(d, func(m *membership) { m.failed = true })
			return swarmapi.Failed{Digest: d, Err: err}
		}
		s.with(d, func(m *membership) { m.received += int64(len(data)); other.sent += int64(len(data)); s.net.served++ })
		return nil
	}
	return nil
}

func (s *memSwarm) SetRates(download, upload unit.Rate) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.rates = [2]unit.Rate{download, upload}
}

func (s *memSwarm) Limit(d artifact.Digest, rank bandwidth.Rank, download, upload bandwidth.Budget) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if m := s.net.members[d][s]; m != nil {
		m.limits = &limits{rank, download, upload}
	}
}

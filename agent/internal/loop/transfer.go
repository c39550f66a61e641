package loop

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// banTime is how long a peer that misbehaved is not let in again.
const banTime = 10 * time.Minute

// recordTimeout bounds one write to the store.
const recordTimeout = 5 * time.Second

var (
	errShutdown = errors.New("the agent is shutting down")
	errLeft     = errors.New("the transfer has ended here")
)

// transfer is the loop's side of one transfer. Its fields are touched only by
// run, unless they say otherwise.
type transfer struct {
	loop   *Loop
	digest artifact.Digest
	ctx    context.Context // ends with the transfer
	cancel context.CancelFunc
	ended  bool

	torrent []byte  // the encoded manifest, once provided
	lengths []int32 // of the spans
	// manifest is set once it was provided, with the content.
	manifest *artifact.Manifest
	shape    atomic.Pointer[artifact.Manifest] // the same, for readers
	content  swarmapi.Content
	// What was withdrawn is to be offered again; how long the next time takes.
	offering   bool
	offerAfter time.Duration
	buffers    atomic.Pointer[assembler] // readers use it; nil until provided

	links     map[unit.NodeID]*link
	banned    map[unit.NodeID]unit.Time // until when
	inquiries map[int32]*inquiry        // by span
	records   *queue[record]
	meter     meter
}

func newTransfer(l *Loop, d artifact.Digest) *transfer {
	t := &transfer{
		loop: l, digest: d,
		links: map[unit.NodeID]*link{}, banned: map[unit.NodeID]unit.Time{}, inquiries: map[int32]*inquiry{},
		records: newQueue[record](),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	l.workers.Go(t.keepRecords)
	return t
}

// record is something to do about a group in the store.
type record struct {
	kind recordKind
	at   unit.Location
	do   func(context.Context)
}

type recordKind uint8

const (
	recordJoin recordKind = iota
	recordLeave
	recordClaim
)

// record has something done in the store. What waits to be done again anyway is
// done once: a slow store would fall behind without end, until leases run out.
func (t *transfer) record(kind recordKind, at unit.Location, do func(context.Context)) {
	t.records.merge(record{kind, at, do}, func(old record) (same, before bool) {
		if old.at != at {
			return false, false
		}
		return old.kind == kind, old.kind == recordLeave || kind == recordLeave
	})
}

// keepRecords performs what concerns the store, in order, until the transfer
// has ended and all of it is done.
func (t *transfer) keepRecords() {
	for {
		r, ok := t.records.take(t.loop.records)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(t.loop.records, recordTimeout)
		r.do(ctx)
		cancel()
	}
}

// provide takes over manifest and content.
func (t *transfer) provide(m *artifact.Manifest, c swarmapi.Content) {
	t.content = c
	if t.manifest != nil {
		return
	}
	t.torrent, t.lengths, t.manifest = m.Encode(), m.SpanLengths(), m
	var largest int32
	for _, n := range t.lengths {
		largest = max(largest, n)
	}
	t.buffers.Store(newAssembler(largest))
	t.shape.Store(m)
}

// dropSpan throws away what came of a span; dropBlock, a part of it.
func (t *transfer) dropSpan(span int32) {
	delete(t.inquiries, span)
	t.buffers.Load().drop(span)
}

func (t *transfer) dropBlock(b swarm.Block) {
	delete(t.inquiries, b.Span)
	t.buffers.Load().reopen(b)
}

// end closes every connection and forgets the transfer.
func (t *transfer) end() {
	t.ended = true
	for _, k := range t.links {
		k.conn.Close(errLeft)
	}
	t.records.close()
	t.cancel()
	delete(t.loop.transfers, t.digest)
}

func (t *transfer) key(at unit.Location) store.GroupKey {
	return store.GroupKey{Digest: t.digest, Location: at}
}

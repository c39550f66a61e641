package loop

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/foreign"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Config is what a Loop is made from. The caller owns store and transport and
// closes them after Run has returned.
type Config struct {
	Machine   node.Config
	Store     *store.Store
	Transport *transport.Transport
	// Foreign are other BitTorrent clients, host:port, that every transfer
	// connects to.
	Foreign []string
	Client  string    // name and version of the program, told to other clients
	Trace   io.Writer // nil writes no trace
	Logger  *slog.Logger
}

// Loop is the agent's swarm. It implements swarmapi.Swarm.
type Loop struct {
	cfg   Config
	log   *slog.Logger
	epoch time.Time

	inbox   chan func(now unit.Time) // executed by run
	ahead   chan func(now unit.Time) // executed by run before what is in inbox
	notices *queue[swarmapi.Notice]
	out     chan swarmapi.Notice
	done    chan struct{} // closed when Run returns
	hashers chan struct{} // one token for each span that may be verified at a time
	dials   chan struct{} // one token for each connection that may be in the making
	workers sync.WaitGroup
	moved   atomic.Int64 // blocks received and sent
	effort  *foreign.Effort
	// records is the context of what is written to the store.
	records    context.Context
	endRecords context.CancelFunc

	// What follows is touched only by run.
	machine   *node.Machine
	trace     tracer
	actions   []node.Action
	begun     bool      // a span was in this turn: its START is to be sent
	flushed   unit.Time // when the last turn ended
	transfers map[artifact.Digest]*transfer
	waiting   []*stranger
	visitors  []visitor
	watcher   *store.Watcher
}

// inboxSize lets readers run a little ahead of the loop; when it is full they
// wait, and TCP with them.
const inboxSize = 256

var _ swarmapi.Swarm = (*Loop)(nil)

// New returns a loop that does nothing before Run.
func New(c Config) *Loop {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Loop{
		cfg: c, log: c.Logger, epoch: time.Now(),
		inbox:   make(chan func(unit.Time), inboxSize),
		ahead:   make(chan func(unit.Time), inboxSize),
		notices: newQueue[swarmapi.Notice](), out: make(chan swarmapi.Notice),
		done:      make(chan struct{}),
		hashers:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		dials:     make(chan struct{}, maxDials),
		effort:    foreign.NewEffort(),
		transfers: map[artifact.Digest]*transfer{},
	}
	l.records, l.endRecords = context.WithCancel(context.Background())
	l.trace = newTracer(c.Trace, c.Machine.Self, l.epoch)
	l.machine = node.New(l.now(), c.Machine)
	return l
}

func (l *Loop) now() unit.Time { return unit.Time(time.Since(l.epoch)) }

// Run moves bytes until ctx ends, then leaves every transfer's groups, so that
// peers need not wait for leases to run out, and returns.
func (l *Loop) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.watcher = l.cfg.Store.Watch(ctx)
	l.workers.Go(func() { l.accept(ctx) })
	l.workers.Go(func() { l.acceptForeign(ctx) })
	l.workers.Go(func() { l.tell(ctx) })
	l.workers.Go(func() { l.giveBack(ctx) })
	timer := time.NewTimer(time.Hour)
	for {
		select {
		case <-ctx.Done():
			l.shutdown()
			return
		case do := <-l.ahead:
			do(l.now())
			l.drain()
		case do := <-l.inbox:
			do(l.now())
			l.drain()
		case ev, ok := <-l.watcher.Events():
			if ok {
				l.storeEvent(ev)
			}
		case <-timer.C:
			l.step(node.Wake{})
		}
		l.endTurn(timer)
	}
}

// shareStarts is for how long STARTs may be gathered, to share messages: one that
// others hear of late is for a span that they have asked for themselves.
const shareStarts = time.Millisecond

// drain takes what else is at hand into the same turn, within a bound, so that
// announcements are shared. Where much waits a turn may take tens of milliseconds;
// a START does not wait for its end.
func (l *Loop) drain() {
	for range inboxSize {
		if l.begun && l.now().Sub(l.flushed) >= shareStarts {
			return
		}
		do := l.atHand()
		if do == nil {
			return
		}
		do(l.now())
	}
}

// atHand returns what is to be executed next, nil if there is nothing.
func (l *Loop) atHand() func(now unit.Time) {
	select {
	case do := <-l.ahead:
		return do
	default:
	}
	select {
	case do := <-l.inbox:
		return do
	default:
		return nil
	}
}

// step lets the machine decide and performs it at once: the next event may be
// about what it decided, such as a block of a span that was dropped.
func (l *Loop) step(ev node.Event) {
	now := l.now()
	l.trace.event(now, ev)
	l.decide(now, ev)
}

// stepAhead is step for what came by datagram.
func (l *Loop) stepAhead(ev node.Event) {
	now := l.now()
	l.trace.datagram(now, ev)
	l.decide(now, ev)
}

func (l *Loop) decide(now unit.Time, ev node.Event) {
	l.actions = l.machine.Step(now, ev, l.actions[:0])
	l.performAll()
}

func (l *Loop) endTurn(timer *time.Timer) {
	l.actions = l.machine.Flush(l.now(), l.actions[:0])
	l.performAll()
	now := l.now()
	l.begun, l.flushed = false, now
	if at := l.machine.NextDeadline(now); at == unit.Never {
		timer.Reset(time.Hour)
	} else {
		timer.Reset(max(at.Sub(now), 0))
	}
}

// performAll performs what was decided. Nothing that it calls steps the
// machine.
func (l *Loop) performAll() {
	for _, a := range l.actions {
		l.trace.action(l.now(), a)
		l.perform(a)
	}
	clear(l.actions)
}

// post has run execute f; it waits while the inbox is full and does nothing
// after Run has returned.
func (l *Loop) post(f func(now unit.Time)) {
	select {
	case l.inbox <- f:
	case <-l.done:
	}
}

// postAhead is post for what nobody depends on: it does not wait, and forgets f
// when there is no room.
func (l *Loop) postAhead(f func(now unit.Time)) {
	select {
	case l.ahead <- f:
	default:
	}
}

// tell delivers notices, however slow their reader is.
func (l *Loop) tell(ctx context.Context) {
	for {
		n, ok := l.notices.take(ctx)
		if !ok {
			return
		}
		select {
		case l.out <- n:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Loop) storeEvent(ev store.Event) {
	switch ev := ev.(type) {
	case store.GroupChanged:
		l.step(node.GroupChanged{Transfer: ev.Digest, Group: ev.Group})
		l.reconsider()
	case store.Down:
		l.log.Debug("the overlay is frozen until the store answers", "error", ev.Err)
		l.step(node.StoreDown{})
	case store.Up:
		l.step(node.StoreUp{})
	}
}

// leaveTimeout bounds how long a shutdown waits for the store.
const leaveTimeout = 2 * time.Second

func (l *Loop) shutdown() {
	close(l.done)
	defer time.AfterFunc(leaveTimeout, l.endRecords).Stop()
	for _, t := range l.transfers {
		l.leave(t)
	}
	for _, s := range l.waiting {
		s.conn.Close(errShutdown)
	}
	for _, v := range l.visitors {
		v.guest.Close()
	}
	l.workers.Wait()
}

package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/pause"
)

// Backoff between attempts to connect; each is shortened by up to half by
// chance, so that a fleet does not come back in one instant.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// Watcher tells of changes over one pub/sub connection, which it makes again
// when it is lost. See Watch.
type Watcher struct {
	store  *Store
	events chan Event
	out    *outbox

	// Each waits for a signal in a session: subscribe that groups were added or
	// removed, refresh that a group needs a snapshot.
	subscribe, refresh chan struct{}

	mu      sync.Mutex
	groups  map[GroupKey]*watched // guarded by mu, as is what they point to
	channel map[string]*topic     // guarded by mu
	state   linkState             // guarded by mu
}

// topic is what a channel beside those that all watch is subscribed to for.
// Adding what was removed makes a new one.
type topic struct {
	run   string // "" for a group
	group GroupKey
}

type linkState int

const (
	linkUnknown linkState = iota // no attempt has ended
	linkUp
	linkDown
)

// Watch starts to watch distributions, holds, limits, demand and runs, and the groups and the
// reports on runs that are added.
// The first event is Up or Down. Events of one kind and subject are merged until
// they are taken, so a slow receiver gets the latest only. The channel closes
// after ctx ends, which is how a Watcher is released.
func (s *Store) Watch(ctx context.Context) *Watcher {
	w := &Watcher{
		store: s, events: make(chan Event), out: newOutbox(),
		subscribe: make(chan struct{}, 1), refresh: make(chan struct{}, 1),
		groups: map[GroupKey]*watched{}, channel: map[string]*topic{},
	}
	go w.run(ctx)
	return w
}

// Events is where the events come from. One receiver.
func (w *Watcher) Events() <-chan Event { return w.events }

// AddGroup begins to tell of a group: its snapshot, then a new one after each
// change. Adding it again is no error.
func (w *Watcher) AddGroup(k GroupKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups[k] == nil {
		w.groups[k] = &watched{announce: true}
		w.channel[w.store.keys.groupChannel(k)] = &topic{group: k}
		kick(w.subscribe)
	}
}

// RemoveGroup ends what AddGroup began. No event of the group is delivered after it
// returns, unless the receiver is taking it at that moment.
func (w *Watcher) RemoveGroup(k GroupKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups[k] != nil {
		delete(w.groups, k)
		delete(w.channel, w.store.keys.groupChannel(k))
		w.out.drop(k)
		kick(w.subscribe)
	}
}

// AddRun begins to tell of reports on a run. Adding it again is no error.
func (w *Watcher) AddRun(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.store.keys.reportsChannel(id); w.channel[ch] == nil {
		w.channel[ch] = &topic{run: id}
		kick(w.subscribe)
	}
}

// RemoveRun ends what AddRun began. No event of reports on the run is delivered
// after it returns, unless the receiver is taking it at that moment.
func (w *Watcher) RemoveRun(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.store.keys.reportsChannel(id); w.channel[ch] != nil {
		delete(w.channel, ch)
		w.out.drop(ReportsMoved{id})
		kick(w.subscribe)
	}
}

// reportsMoved tells of reports if the channel is that of a run.
func (w *Watcher) reportsMoved(channel string) (isRun bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.channel[channel]
	if t == nil || t.run == "" {
		return false
	}
	if w.state == linkUp {
		w.out.put(ReportsMoved{t.run}, ReportsMoved{t.run})
	}
	return true
}

// run holds sessions until ctx ends.
func (w *Watcher) run(ctx context.Context) {
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		w.out.deliver(ctx, w.events)
	}()
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		if wasUp := w.session(ctx); wasUp {
			backoff = minBackoff
		}
		_ = pause.For(ctx, backoff-rand.N(backoff/2))
	}
	<-delivered
}

// up announces that a session stands.
func (w *Watcher) up() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = linkUp
	w.out.put(Up{}, Up{})
}

// down announces that it does not, once. What was not taken yet is out of date.
func (w *Watcher) down(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != linkDown {
		w.state = linkDown
		w.out.clear()
		w.out.put(linkDown, Down{w.store.wrap(err, "watch the store")})
	}
}

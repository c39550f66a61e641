package store

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// rereadEvery bounds how long an expired member or slot is taken for alive
	// when nobody else changes the group.
	rereadEvery = 5 * time.Second
	retryEvery  = 500 * time.Millisecond
	// rereads is how many snapshots are read at the same time.
	rereads = 8
	// maxLater bounds the deltas that wait for a snapshot.
	maxLater = 1024
)

// watched is a group as a Watcher knows it: a snapshot, moved on by deltas in
// the order of their versions.
type watched struct {
	view       view
	valid      bool            // whether deltas can be applied to view
	subscribed bool            // the server has confirmed it, so no delta is missed from here on
	announce   bool            // deliver the next snapshot even if its version is known
	later      map[int64]delta // arrived while view was not valid, by version
	due        time.Time       // when to read a snapshot
}

// forget makes every group start over, in a new session.
func (w *Watcher) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.groups {
		*g = watched{announce: true}
	}
}

// groupSubscribed asks for the snapshot that the deltas continue.
func (w *Watcher) groupSubscribed(channel string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.groupOf(channel); g != nil {
		g.subscribed = true
		w.invalidate(g)
	}
}

// groupOf returns nil if the group has been removed meanwhile.
func (w *Watcher) groupOf(channel string) *watched {
	t := w.channel[channel]
	if t == nil || t.run != "" {
		return nil
	}
	return w.groups[t.group]
}

func (w *Watcher) invalidate(g *watched) {
	g.valid, g.due = false, time.Time{}
	kick(w.refresh)
}

// groupDelta applies a delta if it is the next one. One that cannot be read
// counts as a gap.
func (w *Watcher) groupDelta(channel, payload string) {
	var d delta
	err := json.Unmarshal([]byte(payload), &d)
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.groupOf(channel)
	switch {
	case g == nil:
	case err != nil:
		w.invalidate(g)
	case !g.valid:
		g.keep(d)
	case d.Version <= g.view.version:
	case d.Version == g.view.version+1:
		g.view = g.view.apply(d)
		w.announceGroup(w.channel[channel].group, g)
	default:
		g.keep(d)
		w.invalidate(g)
	}
}

func (g *watched) keep(d delta) {
	if g.later == nil {
		g.later = map[int64]delta{}
	}
	if len(g.later) < maxLater {
		g.later[d.Version] = d
	}
}

func (w *Watcher) announceGroup(k GroupKey, g *watched) {
	g.announce = false
	if w.state == linkUp {
		w.out.put(k, GroupChanged{Digest: k.Digest, Group: g.view.group(k)})
	}
}

// reread reads snapshots when they are due.
func (s *session) reread(ctx context.Context) error {
	for {
		due, next := s.dueGroups(time.Now())
		var reads errgroup.Group
		reads.SetLimit(rereads)
		for k, g := range due {
			reads.Go(func() error { s.read(ctx, k, g); return nil })
		}
		_ = reads.Wait()
		if len(due) > 0 {
			continue
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errClosed
		case <-s.refresh:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// dueGroups returns the groups to read now and when the next one will be due.
func (s *session) dueGroups(now time.Time) (due map[GroupKey]*watched, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due, next = map[GroupKey]*watched{}, rereadEvery
	for k, g := range s.groups {
		wait := g.due.Sub(now)
		switch {
		case !g.subscribed:
		case wait <= 0:
			due[k] = g
			g.due = now.Add(rereadEvery - rand.N(rereadEvery/5))
		default:
			next = min(next, wait)
		}
	}
	return due, next
}

// read takes one snapshot of the group. A store that does not answer is asked
// again soon; whether it is down shows on the session's own connection.
func (s *session) read(ctx context.Context, k GroupKey, g *watched) {
	s.mu.Lock()
	have := int64(noVersion)
	if g.valid {
		have = g.view.version
	}
	s.mu.Unlock()
	v, ok, err := s.store.snapshot(ctx, k, have)
	switch {
	case err != nil:
		s.mu.Lock()
		g.due = time.Now().Add(retryEvery)
		s.mu.Unlock()
	case ok:
		s.arrived(k, g, v, have)
	}
}

// arrived takes the snapshot v, asked for when the version was have, unless the
// group has been removed or deltas have gone further meanwhile.
func (s *session) arrived(k GroupKey, g *watched, v view, have int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	overtaken := g.valid && g.view.version != have && v.version <= g.view.version
	if s.groups[k] == g && !overtaken {
		s.adopt(k, g, v)
	}
}

// adopt takes the snapshot and the deltas that follow it. If one of them is
// missing, another snapshot is needed.
func (s *session) adopt(k GroupKey, g *watched, v view) {
	changed := g.announce || v.version != g.view.version
	g.view, g.valid = v, true
	for {
		d, ok := g.later[g.view.version+1]
		if !ok {
			break
		}
		g.view, changed = g.view.apply(d), true
	}
	for version := range g.later {
		if version > g.view.version {
			s.invalidate(g)
			break
		}
	}
	g.later = nil
	if changed {
		s.announceGroup(k, g)
	}
}

package links

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// exchangeTimeout bounds an exchange with the store; a claim counts for longer.
const exchangeTimeout = time.Second

// claims are what to tell the others of the uplinks that are declared.
func (m *Manager) claims() map[*uplink]turn {
	turns := map[*uplink]turn{}
	for _, u := range m.uplinks {
		if f := m.known.of(u.location); f.known() {
			if t := u.claim(m.now(), f); u.news(t) {
				turns[u] = t
			}
		}
	}
	return turns
}

// query asks the store for what q says, tells it what turns say, and takes what it
// answers: in one round trip, of each turn.
func (m *Manager) query(ctx context.Context, q store.LinkQuery, turns map[*uplink]turn) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	q.Own = map[unit.Location]store.LinkClaim{}
	for u, t := range turns {
		q.Own[u.location] = t.record
	}
	began := m.now()
	answer, err := m.cfg.Store.AskLinks(ctx, q)
	if q.All || len(q.Facts) > 0 {
		m.known.asked(began, q, m.path, answer.Facts != nil)
	}
	if answer.Facts != nil {
		lost := m.known.learn(q.All, answer.Facts)
		m.known.keep(q.All)
		m.restore(ctx, lost)
	}
	for u, t := range turns {
		if all, ok := answer.Claims[u.location]; ok {
			u.heard(m.now(), t, all, answer.Kept[u.location])
		}
	}
	return err
}

// restore gives back to the store what it has lost, so that nodes hear of it that do
// not know it. Who does so first is heard. What the store does not take stays in force
// here, and is listed as lost.
func (m *Manager) restore(ctx context.Context, lost []store.LinkRecord) {
	if len(lost) == 0 {
		return
	}
	put, err := m.cfg.Store.RestoreLinks(ctx, lost)
	if err != nil {
		m.log.Debug("what the store has lost of links stays in force here", "error", err)
		return
	}
	m.known.restored(lost)
	if len(put) > 0 {
		m.log.Warn("the store had lost what was declared of links: it has it again, as this node knew it", "links", put)
	}
}

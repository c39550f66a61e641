package links

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// List says what is known of all links that anybody declared, as this node's
// configuration has it. Without the store it is what the node knew last. What keeps the
// store from saying all of a link is among that link's warnings.
func (m *Manager) List(ctx context.Context) (api.LinkList, error) {
	list := api.LinkList{Links: []api.LinkStatus{}}
	errFacts := m.query(ctx, store.LinkQuery{All: true}, nil)
	var answer store.LinkAnswer
	if list.StoreDown = errors.Is(errFacts, store.ErrUnreachable); !list.StoreDown {
		answer = m.askClaims(ctx)
	}
	all := m.known.all()
	if errFacts != nil && len(all) == 0 && !list.StoreDown {
		return list, errFacts // there is no link to say it of
	}
	for _, l := range all {
		s := m.status(m.now(), m.known.of(l), answer.Claims[l])
		for _, err := range []error{errFacts, answer.Troubles[l]} {
			switch {
			case errors.Is(err, store.ErrUnreachable):
				list.StoreDown = true
			case err != nil:
				s.Warnings = append(s.Warnings, unanswered(err))
			}
		}
		list.Links = append(list.Links, s)
	}
	return list, nil
}

// askClaims reads the claims on all links that are known, as far as the store says them.
func (m *Manager) askClaims(ctx context.Context) store.LinkAnswer {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	answer, _ := m.cfg.Store.AskLinks(ctx, store.LinkQuery{Claims: m.known.all()}) // its troubles are said of the links
	return answer
}

// unanswered warns of why the store cannot say all of a link.
func unanswered(err error) api.LinkWarning {
	message := err.Error() + ": what was known last counts, or the floor"
	if strings.Contains(err.Error(), "WRONGTYPE") {
		message += ". A key of the store that is of another type than it should be is not rackswarm's: delete it, and agents write it anew"
	}
	return api.LinkWarning{Fault: string(bandwidth.FaultSilent), Message: message}
}

// status is what is known of a link at now, and what nodes claim of it.
func (m *Manager) status(now unit.Time, f facts, claims []store.LinkClaim) api.LinkStatus {
	s := api.LinkStatus{Location: string(f.location), Declared: f.declared, Reserve: float64(f.policy(m.cfg.Policy, true).Reserve), Warnings: append([]api.LinkWarning{}, f.contradictions()...)}
	if f.reading != nil {
		s.Source, s.Node, s.Measured, s.Age = f.reading.Source, string(f.reading.Node), f.reading.Measured, f.age(now).Seconds()
		s.Warnings = append(s.Warnings, f.reading.Warnings...)
	}
	var used rates
	for _, c := range claims {
		if c.Age < bandwidth.ClaimLife && c.UsedUp+c.UsedDown > 0 {
			s.Users++
			used.up, used.down = used.up+c.UsedUp, used.down+c.UsedDown
		}
	}
	s.Up, s.Down = m.statusOf(now, f, true, used.up), m.statusOf(now, f, false, used.down)
	s.Warnings = append(s.Warnings, missing(f, now)...)
	for i := range s.Warnings {
		s.Warnings[i].Message += inForce(s)
	}
	return s
}

func (m *Manager) statusOf(now unit.Time, f facts, up bool, used unit.Rate) api.LinkDirection {
	b := f.budget(now, m.cfg.Policy, up)
	d := api.LinkDirection{Capacity: int64(f.capacity(up)), Ours: int64(used), Budget: api.BudgetOf(b.Rate),
		Reason: string(b.Binding.Reason), Why: b.Binding.String()}
	if f.reading != nil {
		d.Others = int64(pick(up, f.reading.UpOthers, f.reading.DownOthers))
	}
	return d
}

// silentFor is after what time it is said that a source is silent.
const silentFor = 5 * time.Second

// missing warns of what nobody says of a link though somebody should.
func missing(f facts, now unit.Time) (all []api.LinkWarning) {
	warn := func(fault bandwidth.Fault, message string) {
		all = append(all, api.LinkWarning{Fault: string(fault), Message: message})
	}
	const fix = "does an agent run that names its device in agent.yaml and reaches it?"
	if f.lost {
		warn(bandwidth.FaultLost, "the store has lost what was declared of it; what was known last counts, until it is declared again or cleared: does the store take writes?")
	}
	switch {
	case f.damaged:
		warn(bandwidth.FaultLost, "the store does not answer, and what this agent has kept of links is damaged (links.json in its state directory); the floor counts, or what agent.yaml says: bring the store back")
	case f.unreadable:
		warn(bandwidth.FaultCapacity, "what is declared of it in the store cannot be read by the version of this agent; what else is known counts, or the floor: update the agent, or declare the link again with rackswarm links set")
	}
	switch {
	case f.reading != nil && f.reading.Unreadable:
		warn(bandwidth.FaultSilent, "what was measured of it last cannot be read by the version of this agent; the floor counts: update the agent, or, if nobody measures it any more, rackswarm links clear "+string(f.location))
	case f.reading == nil && f.sensor:
		warn(bandwidth.FaultSilent, "nobody has measured it yet: "+fix)
	case f.reading != nil && len(f.reading.Warnings) == 0 && f.age(now) > silentFor:
		warn(bandwidth.FaultSilent, fmt.Sprintf("nobody has measured it for %v: %s", f.age(now).Round(time.Second), fix)+howToGiveUp(f, now))
	case f.reading == nil:
		for _, up := range []bool{true, false} {
			if f.undeclared(up) {
				warn(bandwidth.FaultCapacity, fmt.Sprintf("nobody says what it carries %[1]s, so that it has the floor that way: say it in links of agent.yaml, or with rackswarm links set %[2]s --%[1]s RATE", pick(up, "up", "down"), f.location))
			}
		}
	}
	return all
}

// abandonedAfter is after what time without a measurement it is said how to give a link
// up.
const abandonedAfter = time.Hour

// howToGiveUp says how to have a link that was measured once known no more; "" if it may
// still be measured again.
func howToGiveUp(f facts, now unit.Time) string {
	if f.age(now) < abandonedAfter {
		return ""
	}
	return " If nobody is to measure it any more: rackswarm links clear " + string(f.location)
}

// inForce says what counts while a link is not measured as it should be.
func inForce(s api.LinkStatus) string {
	floors := func(d api.LinkDirection) bool {
		switch bandwidth.Reason(d.Reason) {
		case bandwidth.Unmeasured, bandwidth.Undeclared, bandwidth.Stale, bandwidth.Floor:
			return true
		}
		return false
	}
	if !floors(s.Up) && !floors(s.Down) {
		return ""
	}
	return fmt.Sprintf("; in force: %s up, %s down", s.Up.Allowed(), s.Down.Allowed())
}

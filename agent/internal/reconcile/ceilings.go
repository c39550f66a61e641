package reconcile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// ceiling is a rate, and what sets it.
type ceiling struct {
	rate   unit.Rate
	reason bandwidth.Reason
	window string // as Binding.Text names it, if it is one
	by     string // what sets it
	fix    string // what to do about it
}

// noCeiling is the ceiling of what nothing bounds.
var noCeiling = ceiling{rate: unit.Unlimited, reason: bandwidth.Open}

func (c *ceiling) lower(to ceiling) {
	if to.rate < c.rate {
		*c = to
	}
}

// budget is what a ceiling lets a transfer move in a direction.
func (c ceiling) budget(up bool) bandwidth.Budget {
	return bandwidth.NewBudget(bandwidth.Binding{
		Reason: c.reason, OfTransfer: true, Hop: topo.Hop{Up: up}, Rate: c.rate, Text: c.window,
	})
}

// ceilings are those of both directions.
type ceilings struct{ down, up ceiling }

// lower lowers both directions to the rates of one ceiling.
func (c *ceilings) lower(down, up unit.Rate, to ceiling) {
	to.rate = down
	c.down.lower(to)
	to.rate = up
	c.up.lower(to)
}

const (
	limitFix    = "raise it or take it away with: rackswarm limit; see: rackswarm limits"
	ownLimitFix = "raise it there, and restart the agent"
)

func (c *ceilings) apply(l api.Limit) {
	down, up := l.Rates()
	c.lower(down, up, ceiling{reason: bandwidth.Distribution, by: fmt.Sprintf("limit %q, set by %s on %s", l.Name, l.By, l.From), fix: limitFix})
}

// nodeCeilings bound all transfers of this node together.
func (r *Reconciler) nodeCeilings() ceilings {
	own := func(rate unit.Rate, by string) ceiling {
		return ceiling{rate: rate, reason: bandwidth.Group, by: by, fix: ownLimitFix}
	}
	c := ceilings{own(r.cfg.Download, "limits.download of its agent.yaml"), own(r.cfg.Upload, "limits.upload of its agent.yaml")}
	for _, l := range r.controls.Limits {
		if l.Distribution == "" && l.Selector.Matches(r.cfg.Self) {
			c.apply(l)
		}
	}
	return c
}

// transferCeilings bound one transfer: by the limits, the ceilings and the windows of
// all distributions that want the artifact.
func (r *Reconciler) transferCeilings(d artifact.Digest) ceilings {
	c := ceilings{noCeiling, noCeiling}
	wanting := r.wanting(d)
	for _, l := range r.controls.Limits {
		if l.Selector.Matches(r.cfg.Self) && slices.ContainsFunc(wanting, l.Bounds) {
			c.apply(l)
		}
	}
	for _, dist := range wanting {
		if dist.State == api.StateAbsent {
			continue
		}
		down, up := dist.MaxRates()
		c.lower(down, unit.Unlimited, ownCeiling(dist.Name, "max_download"))
		c.lower(unit.Unlimited, up, ownCeiling(dist.Name, "max_upload"))
		r.timetables[dist.Name].bound(&c, dist.Name, r.cfg.Now)
	}
	return c
}

// ownCeiling is one that a distribution has of itself.
func ownCeiling(distribution, field string) ceiling {
	return ceiling{reason: bandwidth.Distribution, by: field + " of distribution " + distribution,
		fix: "raise it where the distribution is stated: rackswarm distribute, Terraform or Ansible"}
}

// wanting are the distributions of an artifact.
func (r *Reconciler) wanting(d artifact.Digest) (list []api.Distribution) {
	digest := d.String()
	for _, dist := range r.desired.Distributions {
		if dist.Digest == digest {
			list = append(list, dist)
		}
	}
	return list
}

// rank is how urgent a transfer is: as the most urgent distribution of the artifact.
func (r *Reconciler) rank(d artifact.Digest) bandwidth.Rank {
	list := slices.DeleteFunc(r.wanting(d), func(dist api.Distribution) bool { return dist.State == api.StateAbsent })
	if len(list) == 0 {
		return bandwidth.Normal
	}
	return slices.MaxFunc(list, func(a, b api.Distribution) int { return cmp.Compare(a.Rank(), b.Rank()) }).Rank()
}

// limits is what the swarm is told of one transfer.
type limits struct {
	rank     bandwidth.Rank
	down, up bandwidth.Budget
}

// unlimited is what holds after a transfer was joined.
func unlimited() limits {
	return limits{bandwidth.Normal, noCeiling.budget(false), noCeiling.budget(true)}
}

// pausedBudget lets nothing pass.
func pausedBudget(up bool) bandwidth.Budget {
	return ceiling{reason: bandwidth.Paused}.budget(up)
}

// limits are those of a transfer now.
func (r *Reconciler) limits(t *transfer) limits {
	c := r.transferCeilings(t.digest)
	l := limits{r.rank(t.digest), c.down.budget(false), c.up.budget(true)}
	receive, send := r.closed(t)
	if receive {
		l.down = pausedBudget(false)
	}
	if send {
		l.up = pausedBudget(true)
	}
	return l
}

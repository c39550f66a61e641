package reconcile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
)

// reasons says what this node knows of why it does not have what is wanted, or not
// sooner, the most important first. stats is nil without a transfer.
func (r *Reconciler) reasons(x *dist, t *transfer, stats *swarmapi.Stats) []api.Reason {
	s := &x.rec.Status
	switch {
	case s.Held != nil:
		return []api.Reason{s.Held.Reason()}
	case s.Error != nil:
		return []api.Reason{s.Error.Reason()}
	}
	var all []api.Reason
	switch s.Phase {
	case api.PhaseStaged:
		all = append(all, api.Reason{Code: api.ReasonOthers, Message: "it has staged the content and waits for the others",
			Fix: "mend the others, or switch without them: rackswarm activate " + x.name})
	case api.PhasePending:
		if first := r.before(x); first != nil {
			all = append(all, api.Reason{Code: api.ReasonFetching, Subject: first.name, Message: "distribution " + first.name + " fetches the same content to this node, which is then copied",
				Fix: "see what that waits for: rackswarm explain " + first.name})
		}
	case api.PhaseReusing, api.PhaseInstalling, api.PhaseVerifying:
		all = append(all, api.Reason{Code: api.ReasonDisk, Message: "it reads and writes its own disk (" + string(s.Phase) + ")"})
	case api.PhaseManifest, api.PhaseFetching:
		if stats != nil {
			all = append(all, r.waitsFor(x, t, stats))
		}
	}
	if stats != nil && stats.UpBound != swarmapi.Unbound {
		all = append(all, r.limitReason(t, stats.UpBound, stats.UpBinding, sending))
	}
	return all
}

// before is the other distribution that fetches to this node what x wants, too, nil if
// there is none.
func (r *Reconciler) before(x *dist) *dist {
	d, ok := needs(x.task)
	if first := r.fetcher(d); ok && first != x {
		return first
	}
	return nil
}

const seedsFix = "see which seeds and nodes hold it: rackswarm artifacts, rackswarm nodes; their data port must be reachable"

// waitsFor says what a node that fetches waits for.
func (r *Reconciler) waitsFor(x *dist, t *transfer, stats *swarmapi.Stats) api.Reason {
	passesOn := func(p api.PeerRate) bool { return !p.Initial }
	switch {
	case t.limits.down.Rate == 0 && t.limits.down.Binding.Reason == bandwidth.Window:
		return r.transferCeilings(t.digest).down.says(receiving)
	case stats.Peers == 0:
		return api.Reason{Code: api.ReasonNoPeer, Message: "it is connected to no peer that takes part", Fix: seedsFix}
	case x.rec.Status.Phase == api.PhaseManifest:
		return api.Reason{Code: api.ReasonManifest, Message: "it fetches the manifest from one of " + peerCount(stats.Peers)}
	case stats.Missing > 0 && stats.Unserved == stats.Missing:
		return api.Reason{Code: api.ReasonUnserved, Message: fmt.Sprintf("no peer has %d of %d spans that it lacks", stats.Missing, stats.Spans), Fix: seedsFix}
	case stats.DownBound != swarmapi.Unbound:
		return r.limitReason(t, stats.DownBound, stats.DownBinding, receiving)
	case r.ahead(t) != nil:
		return aheadReason(r.ahead(t), t.limits.rank)
	case len(stats.Top) > 0 && !slices.ContainsFunc(stats.Top, passesOn):
		return api.Reason{Code: api.ReasonSeeds, Message: "only initial seeders give it anything now", Fix: "wait: other nodes pass on what they get; else raise the seeder's upload limit"}
	}
	return api.Reason{Code: api.ReasonFetching, Message: fmt.Sprintf("it fetches from %s, and no limit of ours binds", peerCount(stats.Peers))}
}

func peerCount(n int) string {
	if n == 1 {
		return "1 peer"
	}
	return fmt.Sprintf("%d peers", n)
}

// direction is what limitReason says of a node's traffic one way.
type direction struct {
	code api.ReasonCode
	what string
	of   func(ceilings) ceiling
}

var (
	receiving = direction{api.ReasonLimit, "what it receives", func(c ceilings) ceiling { return c.down }}
	sending   = direction{api.ReasonSenderLimit, "what it sends to others", func(c ceilings) ceiling { return c.up }}
)

// limitReason names the limit that binds.
func (r *Reconciler) limitReason(t *transfer, bound swarmapi.Bound, b bandwidth.Binding, d direction) api.Reason {
	if bound == swarmapi.NodeBound && b.Reason == bandwidth.Priority {
		return yieldReason(d, t.limits.rank)
	}
	if bound == swarmapi.NodeBound && b.Reason != "" && (b.Reason != bandwidth.Group || ofUplink(b)) {
		return linkReason(b, d)
	}
	all := r.nodeCeilings()
	if bound == swarmapi.TransferBound {
		all = r.transferCeilings(t.digest)
	}
	return d.of(all).says(d)
}

// says says that a ceiling is what a direction waits for.
func (c ceiling) says(d direction) api.Reason {
	by := cmp.Or(c.by, "a limit that was just taken away")
	return api.Reason{Code: d.code, Subject: by, Message: fmt.Sprintf("%s is limited to %s by %s", d.what, c.rate, by), Rate: int64(c.rate),
		Fix: cmp.Or(c.fix, limitFix)}
}

// yieldReason says that something more urgent goes first.
func yieldReason(d direction, rank bandwidth.Rank) api.Reason {
	return api.Reason{Code: api.ReasonPriority, Subject: "priority", Fix: priorityFix,
		Message: fmt.Sprintf("%s waits: its priority is %s, and a more urgent transfer comes first", d.what, rank)}
}

const priorityFix = "wait until that is done, or raise this one's: rackswarm distribute --priority, Terraform or Ansible"

// ahead is a distribution that this node fetches and that is more urgent than t, if
// there is one: who sends both sends that first.
func (r *Reconciler) ahead(t *transfer) *dist {
	for _, x := range r.sortedDists() {
		if x.wanted != nil && x.rec.Status.Phase == api.PhaseFetching && x.wanted.Rank() > t.limits.rank {
			return x
		}
	}
	return nil
}

// aheadReason says that senders have something more urgent to send.
func aheadReason(first *dist, rank bandwidth.Rank) api.Reason {
	return api.Reason{Code: api.ReasonPriority, Subject: first.name, Fix: priorityFix,
		Message: fmt.Sprintf("its priority is %s, and where links are short, distribution %s comes first, which is %s", rank, first.name, first.wanted.Rank())}
}

// linkReason names the link that binds, or what keeps this host's own link down.
func linkReason(b bandwidth.Binding, d direction) api.Reason {
	reason := api.Reason{Code: d.code, Subject: "this host", Message: fmt.Sprintf("%s is limited: %s", d.what, b), Rate: int64(b.Rate),
		Fix: "wait: it gets more as soon as there is more; see impact in agent.yaml"}
	if ofUplink(b) {
		reason.Subject = "uplink of " + b.Hop.Location.String()
		reason.Fix = "wait: it gets more as soon as there is more; what is known of links: rackswarm links"
	}
	if b.Reason == bandwidth.OuterFirst {
		reason.Fix = outerFix
	}
	if ofUplink(b) && (unmeasured(b.Reason) || unmeasured(b.By)) {
		reason.Fix = "have the link measured again, or say what it carries if nobody does: what is missing says rackswarm links"
	}
	if ofUplink(b) && (b.Reason == bandwidth.Undeclared || b.By == bandwidth.Undeclared) {
		reason.Fix = fmt.Sprintf("say what it carries: rackswarm links set %s --%s RATE", b.Hop.Location, b.Direction())
	}
	if ofUplink(b) && (b.Reason == bandwidth.Group || b.By == bandwidth.Group) {
		reason.Fix = fmt.Sprintf("wait, or raise the limit: rackswarm links set %s --max-%s RATE", b.Hop.Location, b.Direction())
	}
	return reason
}

const outerFix = "wait: about one copy crosses each uplink, and nodes of the location get theirs meanwhile; for more of both at once, raise what this node may move: rackswarm limits, rackswarm links"

// unmeasured reports whether a limit is low as nobody knows how much of the link others
// use.
func unmeasured(r bandwidth.Reason) bool { return r == bandwidth.Unmeasured || r == bandwidth.Stale }

// ofUplink reports whether a limit is that of a location's link.
func ofUplink(b bandwidth.Binding) bool { return b.Hop.Node == "" && !b.OfTransfer }

package reconcile

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
)

// onLoop is an event that does something on the reconciler's loop.
type onLoop func(*Reconciler)

func (e onLoop) apply(r *Reconciler) { e(r) }

// What another BitTorrent client asks for is offered, for as long as one lacks
// something, though no node needs it.
func TestClientsAreOfferedWhatIsHeld(t *testing.T) {
	f := newFleet(t)
	seed := f.add("seed")
	d := seed.publish(bigFiles(3, "content"), "site", publisher).Digest()
	seed.swarm.visitors.Store(1)
	seed.swarm.notices <- swarmapi.Asked{InfoHash: [20]byte{1}}
	seed.swarm.notices <- swarmapi.Asked{InfoHash: d.Short()}
	f.eventually("the content is offered", func() bool { return seed.swarm.joined(d) })

	stays := make(chan bool)
	long := func(r *Reconciler) { // nobody has needed it for long, as far as nodes say
		r.transfers[d].needed = r.cfg.Now().Add(-time.Hour)
		demandSeen{digest: d}.apply(r)
		stays <- r.transfers[d] != nil
	}
	seed.r.mail.put(onLoop(long))
	if !<-stays {
		t.Error("the node has left while a client lacks something")
	}
	seed.swarm.visitors.Store(0)
	f.eventually("the node leaves", func() bool { return !seed.swarm.joined(d) })
}

package acceptance

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// relay stands in front of the agents' data ports and counts what passes, also
// over the deaths of both ends: what an agent counts itself dies with it.
type relay struct {
	t     *testing.T
	bytes atomic.Int64
	conns sync.WaitGroup
}

// relayed has the agents, none of which runs yet, name a relay's addresses to
// their peers instead of their own.
func relayed(t *testing.T, agents ...*fleet.Agent) *relay {
	t.Helper()
	r := &relay{t: t}
	t.Cleanup(r.conns.Wait)
	for _, a := range agents {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		must(t, err)
		context.AfterFunc(t.Context(), func() { listener.Close() })
		a.Configure(map[string]any{"data": map[string]any{"advertise": listener.Addr().String()}})
		r.conns.Go(func() { r.serve(listener, a.DataAddr) })
	}
	return r
}

func (r *relay) serve(listener net.Listener, to string) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return // the test is over
		}
		r.conns.Go(func() { r.join(from, to) })
	}
}

// join lasts until one end is closed, or the test is over. An agent that is dead
// refuses.
func (r *relay) join(from net.Conn, to string) {
	defer from.Close()
	onward, err := net.Dial("tcp4", to)
	if err != nil {
		return
	}
	defer onward.Close()
	defer context.AfterFunc(r.t.Context(), func() { from.Close(); onward.Close() })()
	var both sync.WaitGroup
	both.Go(func() { r.pass(onward, from) })
	both.Go(func() { r.pass(from, onward) })
	both.Wait()
}

func (r *relay) pass(to, from net.Conn) {
	_, _ = io.Copy(to, io.TeeReader(from, counter{&r.bytes})) // until either end dies
	to.Close()
	from.Close()
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

package transport

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Fifty nodes fetch from one at the same time.
func TestFiftyConnectionsAtOnce(t *testing.T) {
	const nodes, blocks, size = 50, 8, 40_000
	ca := newAuthority(t)
	holder := listen(t, "holder", ca.node(t, "holder"))
	var served, fetching sync.WaitGroup
	served.Go(func() {
		for range nodes {
			c, err := holder.Accept(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			served.Go(func() { c.Run(serving(c.Peer())) })
		}
	})
	for i := range nodes {
		name := unit.NodeID(fmt.Sprintf("n%d", i))
		node := listen(t, name, ca.node(t, string(name)))
		fetching.Go(func() {
			c, err := node.Dial(t.Context(), holder.Addr().String(), "holder", someDigest)
			if err != nil {
				t.Error(err)
				return
			}
			j := newJournal()
			ended := run(c, j)
			for b := range uint32(blocks) {
				c.Send(wire.SpanRequest{Span: b, Length: size})
			}
			for b, e := range j.await(t, blocks) {
				got, ok := e.(kept)
				if !ok || got.Span != uint32(b) || got.data != string(content(name, got.Span, size)) {
					t.Errorf("%s: block %d is %.80v", name, b, e)
				}
			}
			c.Close(nil)
			<-ended
		})
	}
	fetching.Wait()
	served.Wait()
}

// content differs by node and span.
func content(node unit.NodeID, span uint32, size int) []byte {
	word := fmt.Sprintf("%s/%d,", node, span)
	b := make([]byte, size)
	for i := range b {
		b[i] = word[i%len(word)]
	}
	return b
}

func serving(peer unit.NodeID) Sink {
	j := newJournal()
	j.message = func(c *Conn, m wire.Message) {
		r := m.(wire.SpanRequest)
		c.SendSpan(r.Span, r.Begin, r.Length, func(buf []byte) error {
			copy(buf, content(peer, r.Span, len(buf)))
			return nil
		})
	}
	return j
}

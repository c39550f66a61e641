package loop

import (
	"bytes"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Transfers lists this node's transfers with their peers, for people. It may be
// called from any goroutine; after the loop has ended there are none.
func (l *Loop) Transfers() []api.Transfer {
	reply := make(chan []api.Transfer, 1)
	l.post(func(unit.Time) { reply <- l.list() })
	select {
	case list := <-reply:
		return list
	case <-l.done:
		return nil
	}
}

func (l *Loop) list() []api.Transfer {
	list := make([]api.Transfer, 0, len(l.transfers))
	for _, d := range slices.SortedFunc(maps.Keys(l.transfers), func(a, b artifact.Digest) int { return bytes.Compare(a[:], b[:]) }) {
		s, ok := l.machine.Status(d)
		if !ok {
			continue
		}
		t := api.Transfer{Digest: d.String(), Role: s.Role, Spans: s.Spans, Missing: s.Missing, Unserved: s.Unserved, Peers: []api.Peer{}}
		for _, a := range s.Accounts {
			t.Peers = append(t.Peers, peerOf(a))
		}
		list = append(list, t)
	}
	return list
}

func peerOf(a swarm.Account) api.Peer {
	return api.Peer{
		Name: string(a.Node), Location: string(a.Location), Initial: a.Initial, Foreign: a.Foreign, Connected: a.Connected,
		Down: int64(a.Down), Up: int64(a.Up), Duplicate: int64(a.Duplicate), Bad: int64(a.Bad),
		Requests: a.Requests, Rejects: a.Rejects,
		LatencySeconds: a.Latency.Seconds(), Rate: int64(a.Rate), Window: a.Window, Owed: a.Owed,
	}
}

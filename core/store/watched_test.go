package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/unit"
)

// offline is a Watcher of one group without a connection.
func offline(k GroupKey) (*session, *watched, string) {
	s := &session{Watcher: &Watcher{
		store: &Store{keys: keys{"p"}}, out: newOutbox(), state: linkUp, refresh: make(chan struct{}, 1), subscribe: make(chan struct{}, 1),
		groups: map[GroupKey]*watched{}, channel: map[string]*topic{},
	}}
	s.AddGroup(k)
	channel := s.store.keys.groupChannel(k)
	s.groupSubscribed(channel)
	return s, s.groups[k], channel
}

// history is what a group was at each version, and the deltas in between.
type history struct {
	views  []view
	deltas []delta
}

func drawHistory(t *rapid.T) history {
	members, slots := map[unit.NodeID]overlay.Member{}, []unit.NodeID{}
	h := history{}
	record := func() {
		all := slices.Collect(maps.Values(members))
		if all == nil {
			all = []overlay.Member{}
		}
		slices.SortFunc(all, func(a, b overlay.Member) int { return cmp.Compare(a.Node, b.Node) })
		h.views = append(h.views, view{int64(len(h.views)), all, slots})
	}
	record()
	for i := range rapid.IntRange(1, 20).Draw(t, "changes") {
		d := delta{Version: int64(i + 1)}
		node := unit.NodeID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "node"))
		switch rapid.SampledFrom([]string{"put", "put", "gone", "slots"}).Draw(t, "change") {
		case "put":
			m := overlay.Member{Node: node, Permille: i}
			members[node], d.Put = m, &m
		case "gone":
			delete(members, node)
			d.Gone = []unit.NodeID{node}
		case "slots":
			now := []unit.NodeID{"", node}
			d.Slots, slots = &now, now
		}
		h.deltas = append(h.deltas, d)
		record()
	}
	return h
}

// TestDeltasInAnyTrouble: deltas are lost and come twice, snapshots are old or
// new. What the watcher holds as valid always was the group's state at that version,
// and one snapshot at the end puts everything right.
func TestDeltasInAnyTrouble(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		k := GroupKey{Digest: artifact.Digest{1}}
		s, g, channel := offline(k)
		for i, d := range h.deltas {
			payload, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 0}).Draw(t, "copies") {
				s.groupDelta(channel, string(payload))
			}
			if rapid.IntRange(0, 3).Draw(t, "snapshot") == 0 {
				s.arrived(k, g, h.views[rapid.IntRange(0, i+1).Draw(t, "version")], noVersion)
			}
			if g.valid {
				checkView(t, g.view, h)
			}
		}
		last := h.views[len(h.views)-1]
		s.arrived(k, g, last, g.view.version)
		if !g.valid || !reflect.DeepEqual(g.view, last) {
			t.Fatalf("at the end: valid %v, got %+v, want %+v", g.valid, g.view, last)
		}
		want := GroupChanged{k.Digest, last.group(k)}
		if told := s.out.pending[k]; told == nil || !reflect.DeepEqual(told.event, want) {
			t.Fatalf("told %+v, want %+v", told, want)
		}
	})
}

func checkView(t *rapid.T, v view, h history) {
	if want := h.views[v.version]; !reflect.DeepEqual(v, want) {
		t.Fatalf("version %d: got %+v, want %+v", v.version, v, want)
	}
}

// TestGapAsksForSnapshot: a missing delta is noticed with the next one.
func TestGapAsksForSnapshot(t *testing.T) {
	t.Parallel()
	k := GroupKey{Digest: artifact.Digest{1}}
	s, g, channel := offline(k)
	s.arrived(k, g, view{version: 5}, noVersion)
	<-s.refresh // for the subscription
	s.groupDelta(channel, `{"version":6}`)
	if len(s.refresh) != 0 || g.view.version != 6 {
		t.Fatalf("the next delta: version %d, refresh %d", g.view.version, len(s.refresh))
	}
	for _, payload := range []string{`{"version":8}`, `not JSON`} {
		s.groupDelta(channel, payload)
		if len(s.refresh) != 1 || g.valid {
			t.Fatalf("%s: valid %v, refresh %d", payload, g.valid, len(s.refresh))
		}
		<-s.refresh
		s.arrived(k, g, view{version: 8}, noVersion)
	}
	s.arrived(k, g, view{version: 2}, 8)
	if g.view.version != 2 {
		t.Fatalf("a store that lost its state is believed: version %d", g.view.version)
	}
}

// FuzzDelta: whatever is published, members stay sorted and unique.
func FuzzDelta(f *testing.F) {
	for _, seed := range []string{
		`{"version":1,"put":{"node":"b"}}`, `{"version":1,"gone":["a","a"],"slots":["","b"]}`,
		`{"version":1,"put":null,"slots":null}`, `{"version":99}`, `[]`, ``, `{"version":1e99}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		k := GroupKey{}
		s, g, channel := offline(k)
		s.arrived(k, g, view{members: []overlay.Member{{Node: "a"}, {Node: "c"}}}, noVersion)
		s.groupDelta(channel, payload)
		for i := 1; i < len(g.view.members); i++ {
			if g.view.members[i-1].Node >= g.view.members[i].Node {
				t.Fatalf("%q: %v", payload, g.view.members)
			}
		}
	})
}

// TestUnsoundMember: a record that is no member's hides none of the others.
func TestUnsoundMember(t *testing.T) {
	t.Parallel()
	sound := `{"node":"b","addr":"b:1","location":"r","permille":0}`
	for name, record := range map[string]string{
		"not JSON": "{", "another type": `{"node":7}`, "without a name": `{}`, "a name that is none": `{"node":"../x"}`,
	} {
		v, err := parseSnapshot([]string{"3", "[]", record, sound})
		if err != nil || len(v.members) != 1 || v.members[0].Node != "b" {
			t.Errorf("%s: %v, %v", name, v.members, err)
		}
		d := delta{Version: 4}
		if json.Unmarshal([]byte(`{"version":4,"put":`+record+`}`), &d) == nil {
			if after := v.apply(d); len(after.members) != 1 || after.version != 4 {
				t.Errorf("%s as a delta: %v", name, after.members)
			}
		}
	}
}

// FuzzSnapshot: a reply of three strings is an error or a snapshot.
func FuzzSnapshot(f *testing.F) {
	f.Add("12", `["a",""]`, `{"node":"a"}`)
	f.Add("x", `[`, ``)
	f.Fuzz(func(t *testing.T, version, slots, record string) {
		v, err := parseSnapshot([]string{version, slots, record})
		if err == nil && len(v.members) > 1 {
			t.Fatalf("got %+v", v)
		}
	})
}

// TestEventsAreMerged: what nobody takes does not pile up.
func TestEventsAreMerged(t *testing.T) {
	t.Parallel()
	k := GroupKey{Digest: artifact.Digest{1}}
	s, g, channel := offline(k)
	s.arrived(k, g, view{}, noVersion)
	for i := range 10 {
		s.published(&redis.Message{Channel: channel, Payload: fmt.Sprintf(`{"version":%d}`, i+1)})
		s.published(&redis.Message{Channel: "p:demand", Payload: k.Digest.String()})
		s.published(&redis.Message{Channel: "p:demand", Payload: artifact.Digest{2}.String()})
		s.published(&redis.Message{Channel: "p:demand", Payload: "not a digest"})
		s.published(&redis.Message{Channel: "p:distributions", Payload: "changed"})
	}
	want := []any{k, Demand{k.Digest}, Demand{artifact.Digest{2}}, DistributionsChanged{}}
	if !slices.Equal(s.out.order, want) {
		t.Errorf("got %v, want %v", s.out.order, want)
	}
	if ev := s.out.pending[k].event.(GroupChanged); ev.Group.Version != 10 {
		t.Errorf("version %d is waiting, want the latest", ev.Group.Version)
	}
}

// TestOutbox: per key the latest event, in the order in which the keys came.
func TestOutbox(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	put := func(key, n int) { o.put(key, Down{fmt.Errorf("%d.%d", key, n)}) }
	take := func() string {
		l := o.head()
		if l == nil {
			return "nothing"
		}
		o.taken(l)
		return l.event.(Down).Err.Error()
	}
	put(1, 1)
	put(2, 1)
	put(3, 1)
	put(1, 2)
	o.drop(2)
	o.drop(7)
	seen := o.head()
	put(1, 3)
	o.taken(seen) // has been replaced while it was delivered
	got := []string{take(), take(), take()}
	if want := []string{"1.3", "3.1", "nothing"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	put(4, 1)
	o.clear()
	if got := take(); got != "nothing" {
		t.Errorf("after clear: %s", got)
	}
}

package swarm

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// stalledAndBack is a swarm that asked z for its one span in three blocks of two
// grains. The first came, and the others were given up as z was silent. Then the
// second came late, and as z is slow it is asked for the third a grain at a time.
func stalledAndBack(t *testing.T) *Swarm {
	t.Helper()
	s := New(Config{
		Self: "self", Location: "r", Lengths: []int32{6 * Grain}, Have: artifact.NewBitset(1),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "z", Location: "r", MaxRequest: 2 * Grain})
	if got := asking(s.PeerHas(0, "z", artifact.All(1), nil))["z"]; !slices.Equal(got, []Block{s.block(0, 0, 2), s.block(0, 2, 4), s.block(0, 4, 6)}) {
		t.Fatalf("z is asked for %v", got)
	}
	s.Received(0, "z", s.block(0, 0, 2), true, nil)
	if got := cancels(s.Tick(seconds(10), nil)); len(got) != 2 {
		t.Fatalf("z is silent, and withdrawn is %v", got)
	}
	s.peers["z"].pace.window = 2 * Grain
	if got := asking(s.Received(seconds(11), "z", s.block(0, 2, 4), true, nil))["z"]; !slices.Equal(got, []Block{s.block(0, 4, 5), s.block(0, 5, 6)}) {
		t.Fatalf("z is asked again for %v", got)
	}
	return s
}

// cancels lists what is withdrawn.
func cancels(out []Action) (blocks []Block) {
	for _, a := range out {
		if c, ok := a.(Cancel); ok {
			blocks = append(blocks, c.Block)
		}
	}
	return blocks
}

// A block that was given up comes late and covers what the same peer was asked for
// instead, in other bounds: that is withdrawn. Nothing would know otherwise, when
// the span turns out wrong, that z owes a part of it.
func TestLateBlockCoversWhatTheSamePeerOwes(t *testing.T) {
	s := stalledAndBack(t)
	out := s.Received(seconds(11), "z", s.block(0, 4, 6), true, nil)
	if got := cancels(out); !slices.Equal(got, []Block{s.block(0, 4, 5), s.block(0, 5, 6)}) || s.peers["z"].owed != 0 {
		t.Errorf("withdrawn: %v; z owes %d bytes; %v", got, s.peers["z"].owed, out)
	}
	if !slices.Contains(out, Action(Store{Span: 0})) {
		t.Errorf("the span is all here, and the swarm decides %v", out)
	}
}

// A late block that is thrown away leaves alone what the same peer was asked for
// instead.
func TestLateBlockIsThrownAway(t *testing.T) {
	s := stalledAndBack(t)
	s.peers["z"].pace.window = 4 * Grain // there is room to ask for more
	out := s.Received(seconds(11), "z", s.block(0, 4, 6), false, nil)
	if len(out) != 0 || s.peers["z"].owed != 2*Grain {
		t.Errorf("decided %v; z owes %d bytes, want %d", out, s.peers["z"].owed, 2*Grain)
	}
}

// A span was given up while it was being written, as it was found on the disk, and
// was lost again: when the writing ends well it is here, and nothing of it is owed.
func TestStoredWhatWasGivenUp(t *testing.T) {
	s := twoBlocks("a")
	s.Tick(0, nil)
	for i := range 2 {
		s.Received(0, "a", s.block(0, i, i+1), true, nil)
	}
	s.Replace(1, artifact.All(1), nil)
	if got := asking(s.Replace(2, artifact.NewBitset(1), nil))["a"]; len(got) != 2 {
		t.Fatalf("what was lost is asked for: %v", got)
	}
	out := s.Stored(3, 0, true, nil)
	if got := cancels(out); len(got) != 2 || s.peers["a"].owed != 0 || !s.Complete() {
		t.Errorf("complete: %v; a owes %d bytes; %v", s.Complete(), s.peers["a"].owed, out)
	}
}

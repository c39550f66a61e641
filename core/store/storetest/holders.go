package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// neverTooManyHolders lets nodes claim, renew, release and lose slots all at
// once. Each believes to hold its slot from the reply on until a lease after
// the request, so less long than the store does: two beliefs in one slot, or
// a slot beyond their number, are one holder too many.
func neverTooManyHolders(t *testing.T, b Backend) {
	s := b.open(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		k := store.GroupKey{Digest: digest(t.Name()), Location: unit.Location(fmt.Sprint("run-", run))}
		slots := rapid.IntRange(1, 4).Draw(rt, "slots")
		plans := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]action{claim, claim, claim, renew, release, doze}), 1, 6), 2, 8).Draw(rt, "plans")
		h := &holders{store: s, key: k, slots: slots, held: map[int]belief{}}
		var wg sync.WaitGroup
		for i, plan := range plans {
			wg.Go(func() { h.live(t, unit.NodeID(fmt.Sprint("n", i)), plan) })
		}
		wg.Wait()
		if len(h.wrong) > 0 {
			rt.Fatalf("%v", h.wrong)
		}
	})
}

type action string

const (
	claim   action = "claim"
	renew   action = "renew"
	release action = "release"
	doze    action = "doze" // for most of a lease: twice lets it end
)

const (
	lease = 20 * time.Millisecond
	// slack is for the store's clock, which counts whole milliseconds.
	slack = 4 * time.Millisecond
)

type belief struct {
	node  unit.NodeID
	until time.Time
}

type holders struct {
	store *store.Store
	key   store.GroupKey
	slots int

	mu    sync.Mutex
	held  map[int]belief // by slot, guarded by mu
	wrong []string       // guarded by mu
}

// live performs the plan of one node.
func (h *holders) live(t *testing.T, node unit.NodeID, plan []action) {
	slot := -1
	for _, a := range plan {
		sent := time.Now()
		var ok bool
		var err error
		switch {
		case a == claim:
			var got int
			got, ok, err = h.store.ClaimSlot(t.Context(), h.key, node, h.slots, lease)
			if ok {
				slot = got
			}
		case a == doze:
			time.Sleep(lease * 3 / 4)
		case slot < 0:
		case a == renew:
			ok, err = h.store.RenewSlot(t.Context(), h.key, node, slot, lease)
		case a == release:
			h.forget(node)
			err = h.store.ReleaseSlot(t.Context(), h.key, node, slot)
		}
		if err != nil {
			h.report("%s: %v", a, err)
		}
		if ok {
			h.believe(slot, belief{node, sent.Add(lease - slack)})
		}
	}
}

func (h *holders) believe(slot int, b belief) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if !b.until.After(now) { // held up on the way here: believed nothing
		return
	}
	for i, other := range h.held {
		if !other.until.After(now) {
			delete(h.held, i)
		}
	}
	if other, taken := h.held[slot]; taken && other.node != b.node {
		h.wrong = append(h.wrong, fmt.Sprintf("slot %d: %s and %s", slot, other.node, b.node))
	}
	if slot < 0 || slot >= h.slots {
		h.wrong = append(h.wrong, fmt.Sprintf("slot %d of %d", slot, h.slots))
	}
	h.held[slot] = b
}

func (h *holders) forget(node unit.NodeID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for slot, b := range h.held {
		if b.node == node {
			delete(h.held, slot)
		}
	}
}

func (h *holders) report(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

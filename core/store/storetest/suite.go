package storetest

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Backend is a store to test.
type Backend struct {
	// Config is how to reach it; the suite sets prefixes that begin with
	// "rackswarm:".
	Config store.Config
	// Kill ends the server, Restart starts it again at the same address. It may
	// have lost everything. Without them no outage is tested.
	Kill, Restart func()
}

// deadline is for conditions that come true in milliseconds on a quiet machine.
const deadline = 30 * time.Second

// Run tests everything that the package promises of every store.
func Run(t *testing.T, b Backend) {
	tests := []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"NodesExpireButStayKnown", nodesExpire},
		{"NodesAreForgotten", nodesForgotten},
		{"Artifacts", artifacts},
		{"Seeds", seeds},
		{"SeedTroubles", seedTroubles},
		{"Distributions", distributions},
		{"UpdatesAreTransactions", updatesAreTransactions},
		{"Identity", identity},
		{"Statuses", statuses},
		{"StatusHints", statusHints},
		{"Runs", runs},
		{"RunsAreCreatedOnce", runsAreCreatedOnce},
		{"RunsAreSwapped", runsAreSwapped},
		{"RunUpdates", runUpdates},
		{"PartReports", partReports},
		{"LargeReportsAreRefused", largeReports},
		{"RunsAreTold", runsAreTold},
		{"RemovedRunsAreSilent", removedRunsAreSilent},
		{"Backups", backups},
		{"Schedules", schedules},
		{"ScheduleUpdatesAreTransactions", scheduleUpdatesAreTransactions},
		{"Holds", holds},
		{"HoldUpdatesAreTransactions", holdUpdatesAreTransactions},
		{"Limits", limits},
		{"LimitUpdatesAreTransactions", limitUpdatesAreTransactions},
		{"Links", links},
		{"LostLinksAreRestored", restoredLinks},
		{"LinksAreSwapped", swappedLinks},
		{"Readings", readings},
		{"Claims", claims},
		{"ControlsAreTold", controlsAreTold},
		{"Leases", leases},
		{"LeasesHaveOneOwner", leasesHaveOneOwner},
		{"PendingExpires", pendingExpires},
		{"DemandIsToldSeldom", demandIsTold},
		{"MembersExpire", membersExpire},
		{"RefreshIsSilent", refreshIsSilent},
		{"SlotsByExample", slotsByExample},
		{"SlotsEndWithMembership", slotsEndWithMembership},
		{"NeverTooManyHolders", neverTooManyHolders},
		{"PrefixesAreApart", prefixesAreApart},
		{"ManyJoinsEndInEqualSnapshots", manyJoins},
		{"WatchedGroupsExpire", watchedGroupsExpire},
		{"RemovedGroupsAreSilent", removedGroupsAreSilent},
		{"SlowReceiverGetsTheLatest", slowReceiver},
		{"WatchEndsWithItsContext", watchEnds},
	}
	t.Run("Standing", func(t *testing.T) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, b)
			})
		}
	})
	if b.Kill != nil {
		t.Run("Outage", func(t *testing.T) { outage(t, b) })
		t.Run("DownAtStart", func(t *testing.T) { downAtStart(t, b) })
	}
}

// open connects with a prefix of the test's own.
func (b Backend) open(t *testing.T) *store.Store {
	t.Helper()
	return b.openPrefix(t, "rackswarm:"+strings.ReplaceAll(t.Name(), "/", "-"))
}

func (b Backend) openPrefix(t *testing.T, prefix string) *store.Store {
	t.Helper()
	cfg := b.Config
	cfg.Prefix = prefix
	s, err := store.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// eventually waits until get returns want.
func eventually[T any](t *testing.T, what string, want T, get func() T) {
	t.Helper()
	end := time.Now().Add(deadline)
	for {
		got := get()
		if reflect.DeepEqual(got, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

// group is a group that exists once per test, whatever the store.
func group(t *testing.T, location unit.Location) store.GroupKey {
	return store.GroupKey{Digest: digest(t.Name()), Location: location}
}

func digest(name string) (d artifact.Digest) {
	copy(d[:], name)
	return d
}

func member(name unit.NodeID, permille int) overlay.Member {
	return overlay.Member{Node: name, Addr: string(name) + ":7420", Location: "ams1/rsn-1", Permille: permille}
}

// ctx ends long before the test binary's own limit.
func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), 2*deadline)
	t.Cleanup(cancel)
	return c
}

package acceptance

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/store"
)

// Agents are killed at random moments a hundred times (RACKSWARM_KILLS), while
// one version after another is distributed. At each death the destination holds
// a whole version, never an older one than before; in the end everything
// stands, and little was fetched twice.
func TestKillStorm(t *testing.T) {
	t.Parallel()
	s := newStorm(t, number(t, "RACKSWARM_KILLS", 100))
	for s.kills < s.goal {
		s.nextVersion()
		s.round()
	}
	s.finish()
}

const (
	stormBig   = 12 << 20 // the half of it is new in each version
	stormSmall = 80       // files, the half of them new in each version
	stormEach  = 16 << 10
	// stormLoss is what one death may cost: spans that were not complete and
	// what was on its way, of the victim and of those whom it served.
	stormLoss = 1 << 20
)

// storm is the state of a test that kills agents.
type storm struct {
	*testing.T
	*fleet.Fleet
	rng       *rand.Rand
	goal      int
	kills     int
	installs  int // kills that left a swap half done
	relay     *relay
	store     *store.Store
	dest      string
	dist      api.Distribution
	versions  []map[string]string // fingerprints
	seen      map[*fleet.Agent]int
	published string // the artifact of the last version
	source    string // the directory of the last version
}

func newStorm(t *testing.T, goal int) *storm {
	seed := uint64(number(t, "RACKSWARM_SEED", int(rand.Uint32())))
	t.Logf("RACKSWARM_SEED=%d", seed)
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 4), Redis: true, Env: []string{"RACKSWARM_LIMITS_UPLOAD=48Mbit"}})
	s := &storm{T: t, Fleet: f, rng: rand.New(rand.NewPCG(seed, 0)), goal: goal, relay: relayed(t, f.Agents()...),
		dest: filepath.Join(f.Root, "storm"), seen: map[*fleet.Agent]int{}}
	for _, a := range f.Agents() {
		a.Start()
		s.seen[a] = -1
	}
	f.WaitRegistered()
	var err error
	s.store, err = store.Open(t.Context(), store.Config{URL: f.Redis.URL, Prefix: "rackswarm"})
	must(t, err)
	t.Cleanup(s.store.Close)
	return s
}

// number is a whole number from the environment.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text, set := os.LookupEnv(variable)
	if !set {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// nextVersion publishes and distributes a version if all have the last one.
func (s *storm) nextVersion() {
	s.Helper()
	if len(s.versions) > 0 && !s.converged() {
		return
	}
	source := s.newSource(len(s.versions))
	fp, err := fingerprint(source)
	must(s.T, err)
	c := s.seeder()
	a, err := c.PublishPath(s.Context(), source, "storm", 0, nil)
	must(s.T, err)
	s.versions = append(s.versions, fp) // from now on it may be found
	s.dist, err = c.PutDistribution(s.Context(), api.Distribution{Name: "storm", Digest: a.Digest, Path: s.dest, State: api.StatePresent})
	must(s.T, err)
	if s.published != "" {
		must(s.T, c.DeleteArtifact(s.Context(), s.published))
		must(s.T, os.RemoveAll(s.source))
	}
	s.published, s.source = a.Digest, source
}

// seeder is a client of the first agent, which must be up.
func (s *storm) seeder() *client.Client {
	s.Helper()
	c, err := client.New(client.Config{Endpoints: []string{s.Agents()[0].Endpoint()}})
	must(s.T, err)
	s.Cleanup(c.Close)
	fleet.Eventually(s.T, patience, "the seeder answers", func() error {
		_, err := c.Info(s.Context())
		return err
	})
	return c
}

// newSource makes the source of version n: a big file, the half of which is that
// of the version before, small files likewise, a link and an empty directory.
func (s *storm) newSource(n int) string {
	s.Helper()
	top := filepath.Join(s.TempDir(), "storm")
	random(s.T, filepath.Join(top, "big"), stormBig, 0o644)
	big, err := os.OpenFile(filepath.Join(top, "big"), os.O_WRONLY, 0)
	must(s.T, err)
	half := make([]byte, stormBig/2)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(half)
	_, err = big.WriteAt(half, stormBig/2)
	must(s.T, err)
	must(s.T, big.Close())
	for i := range stormSmall {
		name := fmt.Sprint("small-", i)
		if i%2 == 0 {
			name += fmt.Sprint("-", n)
		}
		random(s.T, filepath.Join(top, "many", fmt.Sprint(i%7), name), stormEach, 0o640)
	}
	must(s.T, os.Symlink("big", filepath.Join(top, "link")))
	must(s.T, os.Mkdir(filepath.Join(top, "empty"), 0o755))
	return top
}

// converged reports whether the store says that all have the last version.
func (s *storm) converged() bool {
	s.Helper()
	list, err := s.store.Statuses(s.Context(), "storm")
	must(s.T, err)
	return len(list) == len(s.Agents()) && !slices.ContainsFunc(list, func(n api.NodeStatus) bool { return !s.dist.Converged(n) })
}

// round kills one or several agents, each at a moment of its own, looks at what
// they left, and starts them again.
func (s *storm) round() {
	s.Helper()
	victims := s.victims()
	var deaths sync.WaitGroup
	for _, a := range victims {
		moment := s.moment(a)
		deaths.Go(func() {
			moment()
			a.Kill()
		})
	}
	deaths.Wait()
	for _, a := range victims {
		s.kills++
		s.inspect(a)
		a.Start()
	}
}

func (s *storm) victims() []*fleet.Agent {
	all := s.Agents()
	if s.rng.IntN(6) == 0 {
		return []*fleet.Agent{all[0]} // the only seeder
	}
	receivers := slices.Clone(all[1:])
	s.rng.Shuffle(len(receivers), func(i, j int) { receivers[i], receivers[j] = receivers[j], receivers[i] })
	return receivers[:1+s.rng.IntN(len(receivers))]
}

// moment waits for the time to kill an agent: any, when it reports that it
// installs, or when it is about to swap.
func (s *storm) moment(a *fleet.Agent) func() {
	later := time.Duration(s.rng.Int64N(int64(3 * time.Millisecond)))
	switch s.rng.IntN(3) {
	case 0:
		return s.when(later, func() bool { return s.installing(a) })
	case 1:
		return s.when(later/10, func() bool { return s.swapping(a) })
	}
	return s.when(time.Duration(s.rng.Int64N(int64(600*time.Millisecond))), func() bool { return true })
}

// when waits until something is so, for at most 800 ms, and a little
// longer.
func (s *storm) when(later time.Duration, so func() bool) func() {
	return func() {
		ctx, cancel := context.WithTimeout(s.Context(), 800*time.Millisecond)
		defer cancel()
		for ctx.Err() == nil && !so() {
			time.Sleep(200 * time.Microsecond)
		}
		time.Sleep(later)
	}
}

func (s *storm) installing(a *fleet.Agent) bool {
	list, err := s.store.Statuses(s.Context(), "storm")
	return err != nil || slices.ContainsFunc(list, func(n api.NodeStatus) bool {
		return n.Node == a.Name && n.Phase == api.PhaseInstalling && n.Generation == s.dist.Generation
	})
}

// swapping reports whether the note is there that is written before a swap and
// removed after it.
func (s *storm) swapping(a *fleet.Agent) bool {
	notes, err := filepath.Glob(filepath.Join(a.Root, ".rackswarm-storm*", "index"))
	return err == nil && len(notes) > 0
}

// inspect looks at the destination of an agent that is down.
func (s *storm) inspect(a *fleet.Agent) {
	s.Helper()
	if s.swapping(a) {
		s.installs++
	}
	got, err := fingerprint(a.Path(s.dest))
	if os.IsNotExist(err) && s.seen[a] < 0 {
		return
	}
	must(s.T, err)
	for i, want := range s.versions {
		if maps.Equal(got, want) {
			if i < s.seen[a] {
				s.Errorf("after kill %d %s holds version %d, and held %d before", s.kills, a.Name, i, s.seen[a])
			}
			s.seen[a] = i
			return
		}
	}
	s.Fatalf("after kill %d %s holds no whole version: %v", s.kills, a.Name, got)
}

// finish waits until all is well and counts.
func (s *storm) finish() {
	s.Helper()
	s.WaitRegistered()
	awaitInstalled(s.T, s.Fleet, "storm")
	s.CLI("verify", "storm", "--wait")
	wantSame(s.T, s.source, s.dest, s.Agents()...)
	for _, a := range s.Agents() {
		fleet.Eventually(s.T, patience, a.Name+" has cleaned up", func() error {
			entries, err := os.ReadDir(a.Root)
			if err == nil && len(entries) != 1 {
				err = fmt.Errorf("%s holds %v", a.Root, entries)
			}
			return err
		})
	}
	s.countTraffic()
}

// countTraffic allows for what is new in each version, for each receiver, with a
// hundredth for messages; and for what a death costs.
func (s *storm) countTraffic() {
	s.Helper()
	fresh := int64(stormBig/2 + stormSmall/2*stormEach)
	needed := int64(stormBig+stormSmall*stormEach) + fresh*int64(len(s.versions)-1)
	needed *= int64(len(s.Agents()) - 1)
	got := s.relay.bytes.Load()
	s.Logf("%d kills, %d of them in a swap; %d versions; %d bytes moved where %d were needed: %d a kill in excess",
		s.kills, s.installs, len(s.versions), got, needed, (got-needed)/int64(s.kills))
	if got > needed+needed/100+int64(s.kills)*stormLoss {
		s.Errorf("%d bytes moved where %d were needed, in %d lives", got, needed, s.kills)
	}
}

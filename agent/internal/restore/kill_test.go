package restore

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// childVariable holds, in the environment of an agent in a process of its own,
// what it needs.
const childVariable = "RACKSWARM_RESTORE_CHILD"

type child struct{ Machine, Data, State, Root, Store string }

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		runChild(text)
		return
	}
	os.Exit(m.Run())
}

// runChild is an agent until it is killed.
func runChild(text string) {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{URL: c.Store})
	if err != nil {
		panic(err)
	}
	w, err := NewWorker(Config{Self: "db1", Store: s, Drivers: newToy(c.Machine), Publisher: &served{store: s, paths: map[string]string{}}, CanPublish: true, Holder: &held{},
		StateDir: c.State, Roots: []string{c.Root}, Databases: map[string]Instance{"main": {Driver: "toy", Data: c.Data}},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		panic(err)
	}
	w.Run(ctx)
}

// startChild returns what kills the agent with SIGKILL.
func (w *world) startChild() (kill func()) {
	w.Helper()
	text, err := json.Marshal(child{w.dir, w.data, w.state, w.roots[0], "redis://" + w.listen.Listen})
	w.must(err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	w.must(cmd.Start())
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// lead sets the goals of run r1 as its runner would, until its part is done.
func (w *world) lead(goals map[api.PartState]api.PartGoal) {
	w.Helper()
	w.eventually("the run is over", func() bool {
		r := w.report("r1")
		if goal, ok := goals[r.State]; ok {
			w.goal("r1", goal)
		}
		if s := r.State; s.Final() && s != api.PartCommitted && s != api.PartRolledBack && s != api.PartFailed {
			w.Fatalf("%s: %v", s, r.Error)
		}
		return r.Done
	})
}

// Agents that are killed at any moment bring the run to its end all the same: the
// one that goes well, and the one that has to go back.
func TestAgentIsKilledAgainAndAgain(t *testing.T) {
	for name, c := range map[string]struct {
		staged toyData
		want   string
		lives  int // each agent, at most, in milliseconds
	}{
		"forward": {newer, "new", 700},
		"back":    {toyData{Cluster: "c1", Content: "new", Sick: "corrupt"}, "old", 150},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(c.staged)
			w.create()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := unit.NewRand(seed) // touched only by the goroutine that kills
			over := make(chan struct{})
			killed := make(chan int)
			go func() {
				for n := 0; ; n++ {
					kill := w.startChild()
					select {
					case <-over:
						kill()
						killed <- n
						return
					case <-time.After(time.Duration(20+rng.IntN(c.lives)) * time.Millisecond):
						if n < 15 {
							kill()
							continue
						}
					}
					<-over // this one may live
					kill()
					killed <- n
					return
				}
			}()
			w.lead(map[api.PartState]api.PartGoal{
				api.PartProbed: api.GoalReady, api.PartConfigured: api.GoalSwitch, api.PartHealthy: api.GoalCommit,
				api.PartCommitted: api.GoalEnd, api.PartRolledBack: api.GoalEnd, api.PartFailed: api.GoalEnd,
			})
			close(over)
			t.Logf("killed %d times before it was done", <-killed)
			w.stands(c.want, true)
			if got := w.beside(); len(got) != 0 {
				t.Errorf("left beside the data: %q", got)
			}
		})
	}
}

package control

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/restore"
)

const (
	// runInterval is how often the streams of a run look at it.
	runInterval = 250 * time.Millisecond
	// fleetInterval is how often they look which nodes are there; their records
	// expire more slowly than that.
	fleetInterval = 2 * time.Second
	// statusInterval is how often they look how far nodes have fetched; they report
	// twice as often.
	statusInterval = time.Second
)

// listRuns lists records; what parts tell is in each run's own answer.
func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Runs(r.Context())
	if err != nil {
		return err
	}
	if database := r.URL.Query().Get("database"); database != "" {
		all = slices.DeleteFunc(all, func(run api.Run) bool { return run.Request.Database != database })
	}
	writeJSON(w, http.StatusOK, api.RunList{Runs: orEmpty(all)})
	return nil
}

func (s *Server) createRun(w http.ResponseWriter, r *http.Request) error {
	var req api.RunRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := restore.Validate(req); err != nil {
		return err
	}
	d, err := s.databases()
	if err != nil {
		return err
	}
	run, err := d.CreateRun(r.Context(), req)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, run)
	return nil
}

func (s *Server) getRun(w http.ResponseWriter, r *http.Request) error {
	run, err := (&runReader{server: s, id: r.PathValue("id")}).read(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, run)
	return nil
}

func (s *Server) abortRun(w http.ResponseWriter, r *http.Request) error {
	run, err := named(r.Context(), s, r.PathValue("id"), Databases.AbortRun)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, run)
	return nil
}

func (s *Server) deleteRun(w http.ResponseWriter, r *http.Request) error {
	if err := s.ended(r.Context(), r.PathValue("id"), Databases.DeleteRun); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// watchRun streams a run whenever it changes, as watch does with a status.
func (s *Server) watchRun(w http.ResponseWriter, r *http.Request) error {
	until := r.URL.Query().Get("until")
	if until != "" && until != "finished" {
		return badBody("until", "is "+until, "write finished, or leave it out")
	}
	reader := &runReader{server: s, id: r.PathValue("id")}
	run, err := reader.read(r.Context())
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	stream := &changes{events: startEvents(w), name: api.EventRun}
	text, err := json.Marshal(run)
	last := func(run api.Run) bool { return until == "finished" && run.Phase.Finished() }
	if stream.show(text, last(run), err) {
		return nil
	}
	s.runs.follow(r.Context(), reader.id, func(context.Context) looking[api.Run] {
		return looking[api.Run]{
			look: (&runReader{server: s, id: reader.id}).read,
			rest: func(ctx context.Context, _ time.Duration) bool { return pause.For(ctx, runInterval) == nil },
		}
	}, func(seen *sight[api.Run]) bool { return stream.show(seen.text, last(seen.value), seen.err) })
	return nil
}

// runReader reads a run now and then, with what its parts tell and whether they
// are there. It belongs to one goroutine.
type runReader struct {
	server *Server
	id     string
	nodes  []api.Node // the fleet, as it was at looked
	looked time.Time
	// statuses are what nodes reported of the run's distributions at asked, by name.
	statuses map[string][]api.NodeStatus
	asked    time.Time
}

func (r *runReader) read(ctx context.Context) (api.Run, error) {
	run, err := r.server.cfg.Store.Run(ctx, r.id)
	if err != nil {
		return api.Run{}, err
	}
	if now := time.Now(); r.looked.IsZero() || now.Sub(r.looked) >= fleetInterval {
		if r.nodes, err = r.server.cfg.Store.Nodes(ctx); err != nil {
			return api.Run{}, err
		}
		r.looked = now
	}
	run = restore.Merge(run, nil, r.nodes)
	if run.Phase != api.RunCopying {
		return run, nil
	}
	if err := r.ask(ctx, run.Distributions); err != nil {
		return api.Run{}, err
	}
	return restore.Fetching(run, r.statuses, r.nodes), nil
}

// ask reads what nodes report of distributions, unless it was read just now.
func (r *runReader) ask(ctx context.Context, names []string) error {
	now := time.Now()
	if !r.asked.IsZero() && now.Sub(r.asked) < statusInterval {
		return nil
	}
	statuses := map[string][]api.NodeStatus{}
	for _, name := range names {
		all, err := r.server.cfg.Store.Statuses(ctx, name)
		if err != nil {
			return err
		}
		statuses[name] = all
	}
	r.statuses, r.asked = statuses, now
	return nil
}

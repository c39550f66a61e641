package control

import (
	"context"
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
)

// Collector frees what this agent holds on its disk and nothing needs.
type Collector interface {
	// Collect deletes it, or only lists it if dry is true.
	Collect(ctx context.Context, dry bool) (api.Collection, error)
}

// collect answers for the agent that is asked, not for the fleet.
func (s *Server) collect(w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("dry_run")
	if text != "" && text != "true" && text != "false" {
		return badBody("dry_run", "is "+text, "write true or false, or leave it out")
	}
	if s.cfg.Collector == nil {
		return notThere(w, r)
	}
	c, err := s.cfg.Collector.Collect(r.Context(), text == "true")
	if err != nil {
		return err
	}
	c.Items = orEmpty(c.Items)
	writeJSON(w, http.StatusOK, c)
	return nil
}

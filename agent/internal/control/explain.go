package control

import (
	"context"
	"net/http"

	"github.com/rackswarm/rackswarm/agent/internal/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// explain says what the nodes of a distribution wait for. Without the store it says
// so, and what this node knows of itself.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	e, err := s.fleet.Explain(r.Context(), name)
	if storeDown(err) && s.cfg.Node != nil {
		e, err = s.explainAlone(r.Context(), name, err)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, e)
	return nil
}

func (s *Server) explainAlone(ctx context.Context, name string, cause error) (api.Explanation, error) {
	d, st, ok := s.cfg.Node.Report(ctx, name)
	if !ok {
		return api.Explanation{}, cause
	}
	n := fleet.ExplainNode(st)
	why := asError(cause).Reason()
	why.Message += "; what runs goes on, changes wait"
	n.Reasons = append(n.Reasons, why)
	return api.Explanation{Distribution: name, Digest: d.Digest, StoreDown: true, Nodes: []api.NodeExplanation{n}}, nil
}

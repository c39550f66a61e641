package control

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

const publishFix = "publish it with 'rackswarm publish' and use the digest that it prints"

func (s *Server) listArtifacts(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Artifacts(r.Context())
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b api.Artifact) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})
	writeJSON(w, http.StatusOK, api.ArtifactList{Artifacts: orEmpty(all)})
	return nil
}

func (s *Server) getArtifact(w http.ResponseWriter, r *http.Request) error {
	a, err := s.fleet.Artifact(r.Context(), r.PathValue("digest"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

func (s *Server) deleteArtifact(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	if err := s.fleet.Withdraw(r.Context(), digest); err != nil {
		return err
	}
	if s.cfg.Publisher != nil {
		if err := s.cfg.Publisher.Unpublish(r.Context(), digest); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

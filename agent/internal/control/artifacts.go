package control

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
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
	a, err := s.artifact(r.Context(), r.PathValue("digest"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

func (s *Server) artifact(ctx context.Context, digest string) (api.Artifact, error) {
	a, err := s.cfg.Store.Artifact(ctx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return a, missing("artifact", digest, publishFix)
	}
	return a, err
}

func (s *Server) deleteArtifact(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	if err := s.withdraw(r.Context(), digest); err != nil {
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

// withdraw deletes the artifact's record unless a distribution uses it. If one
// came meanwhile, the record is put back; see confirm.
func (s *Server) withdraw(ctx context.Context, digest string) error {
	a, err := s.artifact(ctx, digest)
	if err != nil {
		return err
	}
	if err := s.checkUnused(ctx, digest); err != nil {
		return err
	}
	if err := s.cfg.Store.DeleteArtifact(ctx, digest); err != nil {
		return err
	}
	used := s.checkUnused(context.WithoutCancel(ctx), digest)
	if used == nil {
		return nil
	}
	return errors.Join(used, s.cfg.Store.PutArtifact(context.WithoutCancel(ctx), a))
}

func (s *Server) checkUnused(ctx context.Context, digest string) error {
	all, err := s.cfg.Store.Distributions(ctx)
	if err != nil {
		return err
	}
	return inUse(digest, all)
}

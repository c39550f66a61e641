package control

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

func (s *Server) listDistributions(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Distributions(r.Context())
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b api.Distribution) int { return cmp.Compare(a.Name, b.Name) })
	writeJSON(w, http.StatusOK, api.DistributionList{Distributions: orEmpty(all)})
	return nil
}

func (s *Server) getDistribution(w http.ResponseWriter, r *http.Request) error {
	d, err := s.fleet.Distribution(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

func (s *Server) putDistribution(w http.ResponseWriter, r *http.Request) error {
	var wanted api.Distribution
	if err := decode(w, r, &wanted); err != nil {
		return err
	}
	if err := nameByPath(r, &wanted.Name); err != nil {
		return err
	}
	if err := wanted.Validate(); err != nil {
		return err
	}
	d, err := s.fleet.Put(r.Context(), wanted)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

func (s *Server) deleteDistribution(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	switch content := cmp.Or(r.URL.Query().Get("content"), api.ContentRetain); content {
	case api.ContentRetain:
		return s.forget(w, r, name)
	case api.ContentRemove:
		return s.remove(w, r, name)
	default:
		return badBody("content", "is "+content, "write "+api.ContentRetain+" or "+api.ContentRemove)
	}
}

func (s *Server) forget(w http.ResponseWriter, r *http.Request, name string) error {
	if err := s.fleet.Forget(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request, name string) error {
	return changed(w, http.StatusAccepted)(s.fleet.Remove(r.Context(), name))
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	return changed(w, http.StatusOK)(s.fleet.Verify(r.Context(), r.PathValue("name")))
}

func (s *Server) activate(w http.ResponseWriter, r *http.Request) error {
	return changed(w, http.StatusOK)(s.fleet.Activate(r.Context(), r.PathValue("name")))
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	return changed(w, http.StatusOK)(s.fleet.Rollback(r.Context(), r.PathValue("name")))
}

// changed answers with what a distribution has become.
func changed(w http.ResponseWriter, status int) func(api.Distribution, error) error {
	return func(d api.Distribution, err error) error {
		if err != nil {
			return err
		}
		writeJSON(w, status, d)
		return nil
	}
}

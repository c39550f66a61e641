package control

import (
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
)

func (s *Server) listLimits(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Limits(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, api.LimitList{Limits: orEmpty(all)})
	return nil
}

func (s *Server) putLimit(w http.ResponseWriter, r *http.Request) error {
	var l api.Limit
	if err := decode(w, r, &l); err != nil {
		return err
	}
	if err := nameByPath(r, &l.Name); err != nil {
		return err
	}
	if err := l.Validate(); err != nil {
		return err
	}
	m := s.mark(r)
	l.By, l.From, l.At = m.By, m.From, m.At
	if err := s.fleet.PutLimit(r.Context(), l); err != nil {
		return err
	}
	down, up := l.Rates()
	s.audit(r, "limit", "limit", l.Name, "download", down, "upload", up)
	writeJSON(w, http.StatusOK, l)
	return nil
}

func (s *Server) deleteLimit(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := s.cfg.Store.DeleteLimit(r.Context(), name); err != nil {
		return err
	}
	s.audit(r, "limit taken away", "limit", name)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

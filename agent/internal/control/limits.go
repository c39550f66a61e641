package control

import (
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
)

func (s *Server) listLimits(w http.ResponseWriter, r *http.Request) error {
	all, err := s.fleet.Limits(r.Context())
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
	l, err := s.fleet.PutLimit(r.Context(), l)
	if err != nil {
		return err
	}
	s.limited(w, r, l)
	return nil
}

func (s *Server) changeLimit(w http.ResponseWriter, r *http.Request) error {
	var change api.LimitChange
	if err := decode(w, r, &change); err != nil {
		return err
	}
	if err := change.Validate(); err != nil {
		return err
	}
	m := s.mark(r)
	l, err := s.fleet.ChangeLimit(r.Context(), r.PathValue("name"), change, api.Limit{By: m.By, From: m.From, At: m.At})
	if err != nil {
		return err
	}
	s.limited(w, r, l)
	return nil
}

// limited answers what a limit is now.
func (s *Server) limited(w http.ResponseWriter, r *http.Request, l api.Limit) {
	if down, up := l.Rates(); l.Limited() {
		s.audit(r, "limit", "limit", l.Name, "download", down, "upload", up)
	} else {
		s.audit(r, "limit taken away", "limit", l.Name)
	}
	writeJSON(w, http.StatusOK, l)
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

package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// listLinks answers what the asked agent knows of all links.
func (s *Server) listLinks(w http.ResponseWriter, r *http.Request) error {
	list := api.LinkList{Links: []api.LinkStatus{}}
	if s.cfg.Links != nil {
		var err error
		if list, err = s.cfg.Links(r.Context()); err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func (s *Server) putLink(w http.ResponseWriter, r *http.Request) error {
	var l api.Link
	if err := decode(w, r, &l); err != nil {
		return err
	}
	address := r.PathValue("location")
	if l.Location != "" && l.Location != address {
		return badBody("location", "it is "+l.Location+", but the address says "+address, "write the same location in both, or leave the field out")
	}
	l.Location = address
	if err := l.Validate(); err != nil {
		return err
	}
	m := s.mark(r)
	l.By, l.From, l.At = m.By, m.From, m.At
	if err := s.storeLink(r, l); err != nil {
		return err
	}
	s.audit(r, "link declared", "link", l.Location, "up", said(l.Up), "down", said(l.Down), "max_up", said(l.MaxUp), "max_down", said(l.MaxDown))
	writeJSON(w, http.StatusOK, l)
	return nil
}

// storeLink records what is said of a link, in place of what the caller has read of it if
// the query names that.
func (s *Server) storeLink(r *http.Request, l api.Link) error {
	was, swap, err := readBefore(r)
	switch {
	case err != nil:
		return err
	case swap:
		return s.cfg.Store.SwapLink(r.Context(), l, was)
	}
	return s.cfg.Store.PutLink(r.Context(), l)
}

// readBefore returns what the caller has read of a link, by its time or zero for nothing,
// if the query's was names it.
func readBefore(r *http.Request) (was time.Time, named bool, err error) {
	switch text := r.URL.Query().Get("was"); text {
	case "":
		return was, false, nil
	case "nothing":
		return was, true, nil
	default:
		if was, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return was, false, badBody("was", text+" is no time", "write what the link's declared.at says, or nothing")
		}
		return was, true, nil
	}
}

// said is what a declaration says of a rate.
func said(n *int64) string {
	if n == nil {
		return "not said"
	}
	return unit.Rate(*n).String()
}

func (s *Server) deleteLink(w http.ResponseWriter, r *http.Request) error {
	location := unit.Location(r.PathValue("location"))
	was, swap, err := readBefore(r)
	if err != nil {
		return err
	}
	forget := func(anyway bool) error {
		if swap {
			return s.cfg.Store.SwapDeleteLink(r.Context(), location, was, anyway)
		}
		return s.cfg.Store.DeleteLink(r.Context(), location, anyway)
	}
	err = forget(false)
	if errors.Is(err, store.ErrNotFound) && s.measured(r.Context(), location) {
		err = forget(true)
	}
	if err != nil {
		return err
	}
	s.audit(r, "link not declared any more", "link", location)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// measured reports whether the asked agent goes by what was measured of a link once, or
// has to warn of it: the store may have lost that, and it counts until it is taken back.
func (s *Server) measured(ctx context.Context, location unit.Location) bool {
	if s.cfg.Links == nil {
		return false
	}
	list, err := s.cfg.Links(ctx)
	return err == nil && slices.ContainsFunc(list.Links, func(l api.LinkStatus) bool {
		return l.Location == string(location) && (l.Source != "" || len(l.Warnings) > 0)
	})
}

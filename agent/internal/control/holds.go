package control

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os/user"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// storeDown reports whether the error is that the store does not answer.
func storeDown(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == api.CodeStoreDown
}

// mark says who asks, from where and when.
func (s *Server) mark(r *http.Request) api.Hold {
	by, from := s.asker(r)
	return api.Hold{By: by, From: from, At: s.cfg.Now().UTC()}
}

// asker names the caller for people, and where the call came from.
func (s *Server) asker(r *http.Request) (by, from string) {
	c, node := s.callerOf(r), s.cfg.Self().Node
	if !c.socket {
		return c.name, r.RemoteAddr + " by way of " + node
	}
	if id, ok := strings.CutPrefix(c.name, "user "); ok {
		if u, err := user.LookupId(id); err == nil {
			return u.Username, node
		}
	}
	return c.name, node
}

// audit logs what an operator asked for.
func (s *Server) audit(r *http.Request, what string, about ...any) {
	by, from := s.asker(r)
	s.cfg.Logger.Info("operator: "+what, append([]any{"by", by, "from", from}, about...)...)
}

func (s *Server) listHolds(w http.ResponseWriter, r *http.Request) error {
	known, err := s.holdsHere(r.Context())
	if err != nil {
		return err
	}
	list, err := s.fleet.Holds(r.Context())
	down := storeDown(err) && s.cfg.Node != nil
	if err != nil && !down {
		return err
	}
	for _, h := range known {
		if down || h.Node != "" { // those of the fleet are in list
			list = append(list, h)
		}
	}
	writeJSON(w, http.StatusOK, api.HoldList{Holds: orEmpty(list), StoreDown: down})
	return nil
}

// holdsHere are the holds that this node knows, of the fleet and its own.
func (s *Server) holdsHere(ctx context.Context) ([]api.Hold, error) {
	if s.cfg.Node == nil {
		return nil, nil
	}
	return s.cfg.Node.OperatorHolds(ctx)
}

// hold pauses or stops in the whole fleet. Without the store a caller on this machine
// pauses this node alone.
func (s *Server) hold(w http.ResponseWriter, r *http.Request) error {
	var req api.HoldRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := req.Validate(); err != nil {
		return err
	}
	made, down, err := s.makeHolds(r, req)
	if err != nil {
		return err
	}
	for _, h := range made {
		s.audit(r, h.Kind, "distribution", h.Distribution, "all", h.All, "this_node_alone", h.Node != "", "store_down", down)
	}
	writeJSON(w, http.StatusOK, api.HoldList{Holds: orEmpty(made), StoreDown: down})
	return nil
}

// makeHolds makes the holds that are asked for. down says that the store does not
// answer, and that this node alone is held therefore.
func (s *Server) makeHolds(r *http.Request, req api.HoldRequest) (made []api.Hold, down bool, err error) {
	if !req.Here {
		made, err = s.fleet.Hold(r.Context(), req, s.mark(r))
		if down = storeDown(err); !down || !s.callerOf(r).socket {
			return made, false, err
		}
	}
	switch {
	case s.cfg.Node == nil:
		return nil, false, err
	case req.Kind == api.HoldStop:
		return nil, down, &api.Error{Code: api.CodeStoreDown, Subject: "stop", Message: "the store does not answer, and a node cannot stop a transfer for itself alone",
			Fix: "pause this node until the store is back: rackswarm pause " + cmp.Or(req.Distribution, "--all")}
	}
	h := s.mark(r)
	h.Distribution = req.Distribution
	h, err = s.cfg.Node.PauseHere(r.Context(), h)
	return []api.Hold{h}, down, err
}

func (s *Server) release(w http.ResponseWriter, r *http.Request) error {
	var req api.Release
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := req.Validate(); err != nil {
		return err
	}
	out, err := s.lift(r.Context(), req)
	if err != nil {
		return err
	}
	for _, h := range out.Released {
		s.audit(r, "resume", "distribution", h.Distribution, "all", h.All, "was", h.String())
	}
	out.Released, out.Left = orEmpty(out.Released), orEmpty(out.Left)
	writeJSON(w, http.StatusOK, out)
	return nil
}

// lift ends what this node holds alone and, if the store answers, what the fleet does.
func (s *Server) lift(ctx context.Context, req api.Release) (out api.Released, err error) {
	if s.cfg.Node != nil {
		if out.Released, err = s.cfg.Node.ResumeHere(ctx, req.Distribution); err != nil || req.Here {
			return out, err
		}
	}
	released, left, err := s.fleet.Release(ctx, req)
	if storeDown(err) && s.cfg.Node != nil {
		out.StoreDown = true
		out.Left, err = s.stillHeld(ctx, req)
		return out, err
	}
	out.Released, out.Left = append(out.Released, released...), left
	return out, err
}

// stillHeld is what this node knows to hold what a release names.
func (s *Server) stillHeld(ctx context.Context, req api.Release) (left []api.Hold, err error) {
	known, err := s.holdsHere(ctx)
	for _, h := range known {
		if req.All || h.Distribution == "" || h.Distribution == req.Distribution {
			left = append(left, h)
		}
	}
	return left, err
}

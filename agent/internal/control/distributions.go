package control

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const listFix = "see 'rackswarm status' for the names"

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
	d, err := s.distribution(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

func (s *Server) distribution(ctx context.Context, name string) (api.Distribution, error) {
	all, err := s.cfg.Store.Distributions(ctx)
	if err != nil {
		return api.Distribution{}, err
	}
	i := slices.IndexFunc(all, func(d api.Distribution) bool { return d.Name == name })
	if i < 0 {
		return api.Distribution{}, missing("distribution", name, listFix)
	}
	return all[i], nil
}

func (s *Server) putDistribution(w http.ResponseWriter, r *http.Request) error {
	var wanted api.Distribution
	if err := decode(w, r, &wanted); err != nil {
		return err
	}
	name := r.PathValue("name")
	if wanted.Name != "" && wanted.Name != name {
		return badBody("name", "it is "+wanted.Name+", but the address says "+name, "write the same name in both, or leave the field out")
	}
	wanted.Name = name
	if err := wanted.Validate(); err != nil {
		return err
	}
	d, err := s.put(r.Context(), wanted)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

// put decides inside the store's transaction, so that of two callers who claim
// one path only one wins.
func (s *Server) put(ctx context.Context, wanted api.Distribution) (api.Distribution, error) {
	nodes, err := s.cfg.Store.Nodes(ctx)
	if err != nil {
		return wanted, err
	}
	stale, err := s.cfg.Store.Statuses(ctx, wanted.Name)
	if err != nil {
		return wanted, err
	}
	var old *api.Distribution
	var next api.Distribution
	var changed bool
	err = s.cfg.Store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		old = lookup(all, wanted.Name)
		if next, changed = revise(old, wanted, stale, s.cfg.Now()); !changed {
			return nil, nil, nil
		}
		if _, err := s.artifact(ctx, next.Digest); err != nil {
			return nil, nil, err
		}
		return []api.Distribution{next}, nil, admit(next, all, nodes)
	})
	if err == nil && changed {
		err = s.confirm(context.WithoutCancel(ctx), old, next)
	}
	return next, err
}

// confirm takes a change back if its artifact was withdrawn meanwhile: the store
// knows no transaction over both kinds of record. Since withdraw looks for
// distributions after it has deleted, one of the two sees the other.
func (s *Server) confirm(ctx context.Context, old *api.Distribution, next api.Distribution) error {
	_, gone := s.artifact(ctx, next.Digest)
	if gone == nil {
		return nil
	}
	return errors.Join(gone, s.cfg.Store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		now := lookup(all, next.Name)
		switch {
		case now == nil || now.Generation != next.Generation:
			return nil, nil, nil
		case old == nil:
			return nil, []string{next.Name}, nil
		}
		back := *old
		back.Generation = next.Generation + 1
		if old.MaySwitch() && old.Together() {
			back.Activated = back.Generation
		}
		return []api.Distribution{back}, nil, nil
	}))
}

func lookup(all map[string]api.Distribution, name string) *api.Distribution {
	if d, ok := all[name]; ok {
		return &d
	}
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

// forget deletes the record and leaves the files.
func (s *Server) forget(w http.ResponseWriter, r *http.Request, name string) error {
	err := s.cfg.Store.UpdateDistributions(r.Context(), func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		if lookup(all, name) == nil {
			return nil, nil, missing("distribution", name, listFix)
		}
		return nil, []string{name}, nil
	})
	if err != nil {
		return err
	}
	if err := s.cfg.Store.DeleteStatuses(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// remove has the nodes remove the files; the record goes when they have.
func (s *Server) remove(w http.ResponseWriter, r *http.Request, name string) error {
	return s.change(w, r, name, http.StatusAccepted, func(d api.Distribution) (api.Distribution, error) {
		return toAbsent(d, s.cfg.Now()), nil
	})
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, r.PathValue("name"), http.StatusOK, func(d api.Distribution) (api.Distribution, error) {
		return toVerify(d, s.cfg.Now())
	})
}

// activate has those nodes switch now that have staged what is wanted.
func (s *Server) activate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	reports, err := s.cfg.Store.Statuses(r.Context(), name)
	if err != nil {
		return err
	}
	return s.change(w, r, name, http.StatusOK, func(d api.Distribution) (api.Distribution, error) {
		return toActivated(d, reports, s.cfg.Now())
	})
}

// rollback asks for the version before, unless its artifact is gone.
func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	ctx, name := r.Context(), r.PathValue("name")
	var old, next api.Distribution
	err := s.cfg.Store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		found := lookup(all, name)
		if found == nil {
			return nil, nil, missing("distribution", name, listFix)
		}
		old = *found
		var err error
		if next, err = toPrevious(old, s.cfg.Now()); err != nil {
			return nil, nil, err
		}
		return []api.Distribution{next}, nil, s.checkPrevious(ctx, next.Digest)
	})
	if err == nil {
		err = s.confirm(context.WithoutCancel(ctx), &old, next)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, next)
	return nil
}

// checkPrevious looks whether the version to return to is still published.
func (s *Server) checkPrevious(ctx context.Context, digest string) error {
	_, err := s.cfg.Store.Artifact(ctx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return &api.Error{Code: api.CodeNotFound, Subject: digest, Message: "the version before is not published any more",
			Fix: "publish it again, then roll back; with keep_previous it cannot be removed"}
	}
	return err
}

// change applies fn to a distribution that stands and answers with the result.
func (s *Server) change(w http.ResponseWriter, r *http.Request, name string, status int, fn func(api.Distribution) (api.Distribution, error)) error {
	var next api.Distribution
	err := s.cfg.Store.UpdateDistributions(r.Context(), func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		old := lookup(all, name)
		if old == nil {
			return nil, nil, missing("distribution", name, listFix)
		}
		var err error
		if next, err = fn(*old); err != nil || reflect.DeepEqual(next, *old) {
			return nil, nil, err
		}
		return []api.Distribution{next}, nil, nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, status, next)
	return nil
}

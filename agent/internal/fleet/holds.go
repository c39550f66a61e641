package fleet

import (
	"context"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// Hold records that what the request names is held, and returns the holds that were
// made. By, From and At of each are those of mark.
func (f *Fleet) Hold(ctx context.Context, req api.HoldRequest, mark api.Hold) (made []api.Hold, err error) {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return nil, err
	}
	mark.Kind = req.Kind
	if made, err = holdsOf(req, mark, all); err != nil || len(made) == 0 {
		return made, err
	}
	err = f.store.UpdateHolds(ctx, func(now map[string]api.Hold) ([]api.Hold, []string, error) {
		return made, outdated(now, all, made), nil
	})
	if err == nil {
		f.announce(ctx, made)
	}
	return made, err
}

// holdsOf are the holds that a request asks for. All that is paused is one hold, also
// of what comes later; all that is stopped are those that are there.
func holdsOf(req api.HoldRequest, mark api.Hold, all []api.Distribution) (made []api.Hold, err error) {
	if req.All && req.Kind == api.HoldPause {
		mark.All = true
		return []api.Hold{mark}, nil
	}
	for _, d := range all {
		if !req.All && d.Name != req.Distribution {
			continue
		}
		h := mark
		h.Distribution, h.All, h.Created, h.Generation = d.Name, req.All, d.CreatedAt, d.Generation
		made = append(made, h)
	}
	if len(made) == 0 && !req.All {
		return nil, missing("distribution", req.Distribution, listFix)
	}
	return made, nil
}

// outdated are the keys of holds that are about nothing any more, and are not made
// just now.
func outdated(now map[string]api.Hold, all []api.Distribution, made []api.Hold) (gone []string) {
	for key, h := range now {
		anew := func(m api.Hold) bool { return m.Key() == key }
		if !holdsAny(h, all) && !slices.ContainsFunc(made, anew) {
			gone = append(gone, key)
		}
	}
	return gone
}

func holdsAny(h api.Hold, all []api.Distribution) bool {
	return h.Distribution == "" || slices.ContainsFunc(all, h.Holds)
}

// Release lifts what the request names, and returns that and what still holds it,
// by key.
func (f *Fleet) Release(ctx context.Context, req api.Release) (released, left []api.Hold, err error) {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return nil, nil, err
	}
	named := func(d api.Distribution) bool { return d.Name == req.Distribution }
	if !req.All && !slices.ContainsFunc(all, named) {
		return nil, nil, missing("distribution", req.Distribution, listFix)
	}
	err = f.store.UpdateHolds(ctx, func(now map[string]api.Hold) ([]api.Hold, []string, error) {
		released, left = nil, nil
		del := outdated(now, all, nil)
		for _, key := range slices.Sorted(maps.Keys(now)) {
			h := now[key]
			switch {
			case !holdsAny(h, all):
			case h.All == req.All && (req.All || h.Distribution == req.Distribution):
				released, del = append(released, h), append(del, key)
			case req.All || h.Distribution == "" || h.Distribution == req.Distribution:
				left = append(left, h)
			}
		}
		return nil, del, nil
	})
	if err == nil {
		f.announce(ctx, released)
	}
	return released, left, err
}

// announce has those look who watch a distribution. A hint that is lost costs half a
// second.
func (f *Fleet) announce(ctx context.Context, holds []api.Hold) {
	for _, h := range holds {
		if h.Distribution != "" {
			_ = f.store.AnnounceStatus(ctx, h.Distribution)
		}
	}
}

// Holds lists the holds that are about something.
func (f *Fleet) Holds(ctx context.Context) (list []api.Hold, err error) {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := f.store.Holds(ctx)
	for _, h := range holds {
		if holdsAny(h, all) {
			list = append(list, h)
		}
	}
	return list, err
}

// hold adds to a status what holds its distribution.
func hold(st *api.Status, holds []api.Hold) {
	d := st.Distribution
	for _, h := range holds {
		if h.Node == "" && h.Holds(d) {
			st.Holds = append(st.Holds, h)
		}
	}
	for _, n := range st.Nodes {
		by := n.Held
		if by == nil {
			by = api.HeldBy(st.Holds, d, n.Node)
		}
		if by == nil || d.Converged(n) {
			continue
		}
		st.Summary.Paused += one(by.Kind == api.HoldPause)
		st.Summary.Stopped += one(by.Kind == api.HoldStop)
	}
}

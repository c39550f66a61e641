package control

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// pingTimeout bounds how long describing the agent waits for the store.
const pingTimeout = 2 * time.Second

func (s *Server) getAgent(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	info := s.cfg.Self()
	info.APIVersion = api.Version
	info.StoreOK = s.cfg.Store.Ping(ctx) == nil
	writeJSON(w, http.StatusOK, info)
	return nil
}

func (s *Server) listNodes(w http.ResponseWriter, r *http.Request) error {
	nodes, err := s.cfg.Store.Nodes(r.Context())
	if err != nil {
		return err
	}
	slices.SortFunc(nodes, func(a, b api.Node) int { return cmp.Compare(a.Name, b.Name) })
	writeJSON(w, http.StatusOK, api.NodeList{Nodes: orEmpty(nodes)})
	return nil
}

func (s *Server) forgetNode(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	nodes, err := s.cfg.Store.Nodes(r.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(nodes, func(n api.Node) bool { return n.Name == name })
	switch {
	case i < 0:
		return missing("node", name, "see 'rackswarm nodes' for the names")
	case nodes[i].Alive:
		return &api.Error{Code: api.CodeInUse, Subject: name, Message: "the node is alive", Fix: "stop its agent first"}
	}
	if err := s.cfg.Store.ForgetNode(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// orEmpty makes nil an empty list in JSON.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

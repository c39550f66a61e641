package control

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// getTorrent sends an artifact's manifest, which is a BitTorrent v2 .torrent file,
// as this node keeps it.
func (s *Server) getTorrent(w http.ResponseWriter, r *http.Request) error {
	d, err := artifact.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: r.PathValue("digest"), Message: err.Error(), Fix: "see rackswarm artifacts"}
	}
	torrent, err := s.torrent(d)
	if e := new(api.Error); errors.As(err, &e) && e.Code == api.CodeNotFound {
		return s.torrentElsewhere(r, d)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-bittorrent")
	w.Header().Set("Content-Length", fmt.Sprint(len(torrent)))
	_, _ = w.Write(torrent) // who went away needs no answer
	return nil
}

func (s *Server) torrent(d artifact.Digest) ([]byte, error) {
	if s.cfg.Torrent == nil {
		return nil, missing("manifest", d.String(), "")
	}
	return s.cfg.Torrent(d)
}

// torrentElsewhere says who to ask for a manifest that is not on this node.
func (s *Server) torrentElsewhere(r *http.Request, d artifact.Digest) error {
	a, err := s.fleet.Artifact(r.Context(), d.String())
	if err != nil {
		return err
	}
	return &api.Error{Code: api.CodeNotFound, Subject: d.String(),
		Message: "this node does not hold the artifact's manifest",
		Fix:     "ask an agent that holds it, by --endpoint; it was published on " + strings.Join(a.Seeds, ", ")}
}

package control

import (
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// listTransfers answers for this agent alone.
func (s *Server) listTransfers(w http.ResponseWriter, r *http.Request) error {
	digest := r.URL.Query().Get("digest")
	if digest != "" {
		if _, err := artifact.ParseDigest(digest); err != nil {
			return badBody("digest", err.Error(), publishFix)
		}
	}
	list := api.TransferList{Node: s.cfg.Self().Node, Transfers: []api.Transfer{}}
	if s.cfg.Transfers != nil {
		for _, t := range s.cfg.Transfers() {
			if digest == "" || t.Digest == digest {
				list.Transfers = append(list.Transfers, t)
			}
		}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

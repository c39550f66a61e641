package control

import (
	"net/http"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

func (s *Server) listBackups(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Backups(r.Context())
	if err != nil {
		return err
	}
	if database := r.URL.Query().Get("database"); database != "" {
		all = slices.DeleteFunc(all, func(b api.Backup) bool { return b.Database != database })
	}
	writeJSON(w, http.StatusOK, api.BackupList{Backups: orEmpty(all)})
	return nil
}

func (s *Server) getBackup(w http.ResponseWriter, r *http.Request) error {
	b, err := s.cfg.Store.Backup(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, b)
	return nil
}

func (s *Server) deleteBackup(w http.ResponseWriter, r *http.Request) error {
	if err := s.ended(r.Context(), r.PathValue("id"), Databases.DeleteBackup); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) verifyBackup(w http.ResponseWriter, r *http.Request) error {
	d, err := named(r.Context(), s, r.PathValue("id"), Databases.VerifyBackup)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

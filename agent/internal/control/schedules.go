package control

import (
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/restore"
)

func (s *Server) listSchedules(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Schedules(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, api.ScheduleList{Schedules: orEmpty(all)})
	return nil
}

func (s *Server) putSchedule(w http.ResponseWriter, r *http.Request) error {
	var wanted api.Schedule
	if err := decode(w, r, &wanted); err != nil {
		return err
	}
	if err := nameByPath(r, &wanted.Name); err != nil {
		return err
	}
	if err := restore.ValidateSchedule(wanted); err != nil {
		return err
	}
	d, err := s.databases()
	if err != nil {
		return err
	}
	set, err := d.PutSchedule(r.Context(), wanted)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, set)
	return nil
}

func (s *Server) deleteSchedule(w http.ResponseWriter, r *http.Request) error {
	if err := s.ended(r.Context(), r.PathValue("name"), Databases.DeleteSchedule); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

package control

import (
	"context"

	"github.com/rackswarm/rackswarm/core/api"
)

// Databases does what clients ask of runs, backups and schedules. Its methods are
// called concurrently. Their errors, as far as a client can act on them, are
// *api.Error.
type Databases interface {
	// CreateRun starts a run, or returns the one of that ID which was asked for in
	// the same words.
	CreateRun(ctx context.Context, req api.RunRequest) (api.Run, error)
	// AbortRun asks a run to end, and returns it.
	AbortRun(ctx context.Context, id string) (api.Run, error)
	// DeleteRun forgets a run that has finished.
	DeleteRun(ctx context.Context, id string) error
	// PutSchedule creates or replaces a schedule, and returns it with what the
	// server sets.
	PutSchedule(ctx context.Context, s api.Schedule) (api.Schedule, error)
	DeleteSchedule(ctx context.Context, name string) error
	// DeleteBackup removes the copies, the artifact and the record.
	DeleteBackup(ctx context.Context, id string) error
	// VerifyBackup has the nodes hash their copies again. It returns the distribution
	// that keeps them.
	VerifyBackup(ctx context.Context, id string) (api.Distribution, error)
}

// databases is where changes go.
func (s *Server) databases() (Databases, error) {
	if s.cfg.Databases != nil {
		return s.cfg.Databases, nil
	}
	return nil, &api.Error{Code: api.CodeUnsupported, Subject: "databases", Message: "this agent leads no runs",
		Fix: "ask another agent, by --endpoint"}
}

// named is a call that changes a named thing, and answers with a T.
func named[T any](ctx context.Context, s *Server, name string, call func(Databases, context.Context, string) (T, error)) (T, error) {
	d, err := s.databases()
	if err != nil {
		var none T
		return none, err
	}
	return call(d, ctx, name)
}

// ended is a call that ends a named thing.
func (s *Server) ended(ctx context.Context, name string, call func(Databases, context.Context, string) error) error {
	d, err := s.databases()
	if err != nil {
		return err
	}
	return call(d, ctx, name)
}

package runner

import (
	"context"

	"github.com/rackswarm/rackswarm/core/api"
)

// Service is what clients ask for. Its methods may be called from several
// goroutines. Errors that a client can act on are *api.Error.
type Service interface {
	// CreateRun starts a run. If one of req.ID with the same request stands, it
	// returns that one; with another request it is CodeConflict.
	CreateRun(ctx context.Context, req api.RunRequest) (api.Run, error)
	// AbortRun asks a run to end, and returns it as it stands then. One that has
	// ended, or is ending, stays as it is.
	AbortRun(ctx context.Context, id string) (api.Run, error)
	// DeleteRun forgets a run that has finished; CodeInUse if it has not.
	DeleteRun(ctx context.Context, id string) error

	// PutSchedule creates or replaces a schedule, and returns it with what the
	// server sets. When it is due next is counted from now.
	PutSchedule(ctx context.Context, s api.Schedule) (api.Schedule, error)
	DeleteSchedule(ctx context.Context, name string) error

	// DeleteBackup removes the copies, the artifact and the record; CodeInUse while
	// a run needs them. The record is gone when it returns; the nodes remove the
	// copies after that.
	DeleteBackup(ctx context.Context, id string) error
	// VerifyBackup has all nodes that keep the backup hash it again. It returns the
	// backup's distribution, whose status tells how far they are.
	VerifyBackup(ctx context.Context, id string) (api.Distribution, error)
}

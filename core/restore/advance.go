package restore

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Advance decides what comes next in a run. The actions are performed first, in
// their order; then the record is written, unless it was changed meanwhile. If
// there is nothing to do it returns the same record and no action. Generation,
// UpdatedAt and Runner are the caller's to set.
func Advance(v View) (api.Run, []Action) {
	return v.Run, nil
}

// Wake is when Advance has something to do though nothing changes; zero for
// never.
func Wake(v View) time.Time {
	return time.Time{}
}

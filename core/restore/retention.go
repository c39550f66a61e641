package restore

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Expired lists the backups of one database that keep does not keep, oldest
// first. A backup that is in use stays, and so does the newest one that was
// verified.
func Expired(backups []api.Backup, keep api.Retention, inUse func(id string) bool, now time.Time) []api.Backup {
	return nil
}

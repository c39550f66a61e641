package restore

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Expired lists the backups of one database that keep does not keep, oldest
// first. A backup that is in use stays, and so does the newest one that was
// verified; inUse may be nil. A zero keep keeps all.
func Expired(backups []api.Backup, keep api.Retention, inUse func(id string) bool, now time.Time) []api.Backup {
	if keep == (api.Retention{}) {
		return nil
	}
	sorted := newestFirst(backups)
	verified := slices.IndexFunc(sorted, func(b api.Backup) bool { return !b.VerifiedAt.IsZero() })
	var expired []api.Backup
	for i, b := range sorted {
		young := keep.Days > 0 && now.Sub(b.TakenAt) < time.Duration(keep.Days)*24*time.Hour
		if i >= keep.Last && i != verified && !young && (inUse == nil || !inUse(b.ID)) {
			expired = append(expired, b)
		}
	}
	slices.Reverse(expired)
	return expired
}

// newestFirst sorts a copy; of those that were taken at one moment, by ID.
func newestFirst(backups []api.Backup) []api.Backup {
	sorted := slices.Clone(backups)
	slices.SortFunc(sorted, func(a, b api.Backup) int {
		return cmp.Or(b.TakenAt.Compare(a.TakenAt), cmp.Compare(b.ID, a.ID))
	})
	return sorted
}

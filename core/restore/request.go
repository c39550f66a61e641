package restore

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Latest is what RunRequest.Backup says for the newest backup of the database.
const Latest = "latest"

// Validate checks what can be checked of a request on its own. The error is an
// *api.Error whose subject is the field.
func Validate(r api.RunRequest) error {
	return nil
}

// NewRun makes the record of the run that req asks for, under the name id: it
// finds the source, the backup that "latest" means, the nodes that keep copies
// and the members, in the order in which they are switched. backups are those of
// all databases. The error is an *api.Error that says what there is instead.
func NewRun(req api.RunRequest, id string, nodes []api.Node, backups []api.Backup, now time.Time) (api.Run, error) {
	return api.Run{ID: id, Request: req, Phase: api.RunPlanned, CreatedAt: now}, nil
}

// StagingPath is the directory that a run's content is copied to on a member: a
// tree with the file backup.json and the directory data. It lies beside the data
// directory, so that both can be exchanged.
func StagingPath(dataDir, run string) string {
	return ""
}

// StagedData is the directory inside StagingPath that is exchanged with the data
// directory. Until GoalCommit it holds the old data afterwards.
func StagedData(dataDir, run string) string {
	return ""
}

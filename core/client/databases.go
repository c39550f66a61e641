package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// CreateRun asks for a run and returns it as it stands. A request without an ID
// gets one here, so that asking several agents makes one run; asking again with
// the same ID and the same request returns the run that was made.
func (c *Client) CreateRun(ctx context.Context, req api.RunRequest) (api.Run, error) {
	if req.ID == "" {
		req.ID = newRunID(req.Database, time.Now())
	}
	var out api.Run
	err := c.roundTrip(ctx, "run "+req.ID, http.MethodPost, pathRuns, nil, req, &out)
	return out, err
}

// maxRunPrefix leaves room for time and chance within the 60 characters of an ID.
const maxRunPrefix = 32

// newRunID names a run after its database, such as
// "main-20261122T020000Z-5e0c1f".
func newRunID(database string, now time.Time) string {
	chance := make([]byte, 3)
	rand.Read(chance)
	prefix := database[:min(len(database), maxRunPrefix)]
	if prefix == "" {
		prefix = "run" // the agent says that the database is missing
	}
	return prefix + now.UTC().Format("-20060102T150405Z-") + hex.EncodeToString(chance)
}

// Runs lists the runs, newest first, without what their parts tell.
func (c *Client) Runs(ctx context.Context) ([]api.Run, error) {
	var out api.RunList
	err := c.roundTrip(ctx, "list runs", http.MethodGet, pathRuns, nil, nil, &out)
	return out.Runs, err
}

// Run returns one run with what its parts tell.
func (c *Client) Run(ctx context.Context, id string) (api.Run, error) {
	return one[api.Run](ctx, c, "read run", http.MethodGet, pathRuns, id, "")
}

// AbortRun asks a run to end: members that were switched go back, the others are
// left as they are. It returns the run, which goes on until all of that is done.
// A run that is finished stays as it is.
func (c *Client) AbortRun(ctx context.Context, id string) (api.Run, error) {
	return one[api.Run](ctx, c, "abort run", http.MethodPost, pathRuns, id, "/abort")
}

// DeleteRun forgets a run that is finished.
func (c *Client) DeleteRun(ctx context.Context, id string) error {
	return c.deleteOne(ctx, "delete run", pathRuns, id)
}

// Backups lists the backups of a database, or all for "": by database, newest
// first.
func (c *Client) Backups(ctx context.Context, database string) ([]api.Backup, error) {
	var out api.BackupList
	query := url.Values{}
	if database != "" {
		query.Set("database", database)
	}
	err := c.roundTrip(ctx, "list backups", http.MethodGet, pathBackups, query, nil, &out)
	return out.Backups, err
}

// Backup returns one backup.
func (c *Client) Backup(ctx context.Context, id string) (api.Backup, error) {
	return one[api.Backup](ctx, c, "read backup", http.MethodGet, pathBackups, id, "")
}

// DeleteBackup has the nodes remove their copies of a backup, and forgets it.
func (c *Client) DeleteBackup(ctx context.Context, id string) error {
	return c.deleteOne(ctx, "delete backup", pathBackups, id)
}

// VerifyBackup asks the nodes to hash their copies of a backup again. It returns
// the distribution that keeps them; a node has done so when the Verified of its
// status reaches the VerifyGeneration returned here.
func (c *Client) VerifyBackup(ctx context.Context, id string) (api.Distribution, error) {
	return one[api.Distribution](ctx, c, "verify backup", http.MethodPost, pathBackups, id, "/verify")
}

// Schedules lists the schedules by name.
func (c *Client) Schedules(ctx context.Context) ([]api.Schedule, error) {
	var out api.ScheduleList
	err := c.roundTrip(ctx, "list schedules", http.MethodGet, pathSchedules, nil, nil, &out)
	return out.Schedules, err
}

// PutSchedule creates or changes the schedule s.Name and returns it with what
// the server set.
func (c *Client) PutSchedule(ctx context.Context, s api.Schedule) (api.Schedule, error) {
	var out api.Schedule
	path, err := object(pathSchedules, s.Name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "put schedule "+s.Name, http.MethodPut, path, nil, s, &out)
	return out, err
}

// DeleteSchedule ends a schedule. Runs that it started go on.
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	return c.deleteOne(ctx, "delete schedule", pathSchedules, name)
}

// one asks something of one member of a collection, which answers with a T.
func one[T any](ctx context.Context, c *Client, op, method, collection, name, what string) (T, error) {
	var out T
	path, err := object(collection, name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, op+" "+name, method, path+what, nil, nil, &out)
	return out, err
}

func (c *Client) deleteOne(ctx context.Context, op, collection, name string) error {
	path, err := object(collection, name)
	if err != nil {
		return err
	}
	return c.roundTrip(ctx, op+" "+name, http.MethodDelete, path, nil, nil, nil)
}

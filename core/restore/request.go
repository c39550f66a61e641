package restore

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Latest is what RunRequest.Backup says for the newest backup of the database.
const Latest = "latest"

// Bounds of what a request may ask for.
const (
	maxCopies        = 100
	maxUnavailable   = 10000
	maxHealthTimeout = 24 * 60 * 60 // seconds
	maxDays          = 100000
)

// Validate checks what can be checked of a request on its own. The error is an
// *api.Error whose subject is the field.
func Validate(r api.RunRequest) error {
	if r.ID != "" {
		if err := checkID("id", r.ID); err != nil {
			return err
		}
	}
	if err := checkID("database", r.Database); err != nil {
		return err
	}
	if err := checkOrigin(r); err != nil {
		return err
	}
	switch {
	case r.Copies == nil && r.Restore == nil:
		return invalid("restore", "neither copies nor a restore are asked for", "say where the backup is kept (copies), who gets it (restore), or both")
	case r.Copies != nil && r.Source == "":
		return invalid("copies", "are made of what a source captures, and this restores a backup that stands", "leave copies out, or name a source instead of the backup")
	}
	if r.Copies != nil {
		if err := checkCopies(*r.Copies); err != nil {
			return err
		}
	}
	if r.Restore != nil {
		return checkRestore(*r.Restore)
	}
	return nil
}

// checkOrigin: the content comes from one source or from one backup.
func checkOrigin(r api.RunRequest) error {
	switch {
	case r.Source == "" && r.Backup == "":
		return invalid("source", "neither a source nor a backup is named", "name the node to capture the database on, or a backup, such as "+Latest)
	case r.Source != "" && r.Backup != "":
		return invalid("source", "both a source and a backup are named", "name one of them")
	case r.Backup != "":
		return checkID("backup", r.Backup)
	}
	if _, err := unit.ParseNodeID(r.Source); err != nil {
		return invalid("source", fmt.Sprintf("%q is not a node's name", r.Source), errors.Unwrap(err).Error())
	}
	return nil
}

func checkCopies(c api.Copies) error {
	if c.Name != "" {
		if err := checkID("copies.name", c.Name); err != nil {
			return err
		}
		if c.Name == Latest {
			return invalid("copies.name", Latest+" is what the newest backup is called", "choose another name")
		}
	}
	switch {
	case c.Count < 1 || c.Count > maxCopies:
		return invalid("copies.count", fmt.Sprintf("is %d", c.Count), fmt.Sprintf("write 1 to %d", maxCopies))
	case c.KeepOnly.Last < 0:
		return invalid("copies.keep_only.last", fmt.Sprintf("is %d", c.KeepOnly.Last), "write how many backups stay, or 0")
	case c.KeepOnly.Days < 0 || c.KeepOnly.Days > maxDays:
		return invalid("copies.keep_only.days", fmt.Sprintf("is %d", c.KeepOnly.Days), fmt.Sprintf("write 0 to %d", maxDays))
	}
	// What becomes a distribution has to be one.
	probe := api.Distribution{Name: "copies", Digest: "sha256:" + strings.Repeat("0", 64), Path: c.Path, Selector: c.Selector}
	return within("copies", probe.Validate())
}

func checkRestore(r api.Restore) error {
	if err := within("restore", r.Selector.Validate()); err != nil {
		return err
	}
	switch {
	case r.As != api.AsReplica && r.As != api.AsStandalone:
		return invalid("restore.as", fmt.Sprintf("%q is not what a database becomes", r.As), "write "+api.AsReplica+" or "+api.AsStandalone)
	case r.MaxUnavailable < 0 || r.MaxUnavailable > maxUnavailable:
		return invalid("restore.max_unavailable", fmt.Sprintf("is %d", r.MaxUnavailable), fmt.Sprintf("write 1 to %d, or leave it out", maxUnavailable))
	case r.MaxLagBytes < 0:
		return invalid("restore.max_lag_bytes", fmt.Sprintf("is %d", r.MaxLagBytes), "write a number of bytes, or leave it out")
	case math.IsNaN(r.HealthTimeout) || r.HealthTimeout < 0 || r.HealthTimeout > maxHealthTimeout:
		return invalid("restore.health_timeout", fmt.Sprintf("is %v", r.HealthTimeout), fmt.Sprintf("write up to %d seconds, or leave it out", maxHealthTimeout))
	}
	return nil
}

// copiesPath is where the copies of a backup lie.
func copiesPath(c api.Copies, database, backup string) string {
	return path.Join(c.Path, database, backup)
}

package api

import "time"

// Backup is a database's content at one moment, published as an artifact: a tree
// with the file backup.json, which repeats what is said here of the content, and
// the directory data. Databases are instances that the agents' own configuration
// names.
type Backup struct {
	ID       string `json:"id"` // unique in the fleet, such as "main-20261122T020000Z"
	Database string `json:"database"`
	Digest   string `json:"digest"` // of the artifact
	// Run took it on Node; Schedule asked for that, "" for a person.
	Run      string `json:"run"`
	Node     string `json:"node"`
	Schedule string `json:"schedule,omitempty"`

	Content BackupContent `json:"content"`
	// SizeBytes is the size of the artifact.
	SizeBytes int64 `json:"size_bytes"`

	// Distribution keeps the copies, at Path on the nodes Copies.
	Distribution string   `json:"distribution"`
	Path         string   `json:"path"`
	Copies       []string `json:"copies,omitempty"` // none in a run that keeps none

	TakenAt time.Time `json:"taken_at"` // when the capture began, by the node's clock
	// VerifiedAt is when the driver checked the capture last, zero if it did not.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
}

// BackupContent describes what a driver captured.
type BackupContent struct {
	Driver       string `json:"driver"`                 // such as "postgres"
	Engine       string `json:"engine"`                 // such as "PostgreSQL"
	Version      string `json:"version"`                // of the engine, such as "15.18"
	Architecture string `json:"architecture,omitempty"` // such as "x86_64", if the files depend on it
	ClusterID    string `json:"cluster_id,omitempty"`   // what tells databases of one engine apart
	Timeline     string `json:"timeline,omitempty"`
	Start        string `json:"start,omitempty"` // positions in the engine's log
	End          string `json:"end,omitempty"`   // from here on the content is consistent
	DataBytes    int64  `json:"data_bytes"`      // of the data directory
}

// BackupList answers GET /v1/backups, by database, newest first.
type BackupList struct {
	Backups []Backup `json:"backups"`
}

// Retention says which backups of a database are kept: those that any part
// keeps. A zero Retention keeps all.
type Retention struct {
	Last int `json:"last,omitempty"` // the newest so many
	Days int `json:"days,omitempty"` // those that are younger
}

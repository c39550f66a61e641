package api

import "time"

// Run moves a database: it captures one, keeps the capture on nodes, restores
// it on nodes, or all of this. It is worked on by the agents, and goes on when
// the client is gone.
type Run struct {
	ID      string     `json:"id"` // unique in the fleet
	Request RunRequest `json:"request"`
	Phase   RunPhase   `json:"phase"`
	// Error is why the run ends in RunPartial, RunAborted or RunFailed; it is set as
	// soon as that is certain. In RunComplete it says what was left behind.
	Error *Error `json:"error,omitempty"`
	// Aborting says that the run was asked to end. Members that were switched
	// go back.
	Aborting bool `json:"aborting,omitempty"`

	// Backup is the capture that is kept or restored, nil until it is known. Its
	// ID is "" if the request keeps no copies.
	Backup *Backup `json:"backup,omitempty"`
	// Source is the node that captures, nil for a backup that stands.
	Source *RunPart `json:"source,omitempty"`
	// Members are the nodes that are restored, in the order in which they are
	// switched.
	Members []RunPart `json:"members,omitempty"`
	// Distributions of this run that stand now, by name, or are about to be made.
	Distributions []string `json:"distributions,omitempty"`
	// Copying is what the nodes that shall keep the backup report while they fetch
	// it. It is set by the server, as the progress of members that fetch is.
	Copying []NodeStatus `json:"copying,omitempty"`
	// TroubleSince is since when a node that shall keep the backup has been
	// unreachable or unable to get it; zero if none is.
	TroubleSince time.Time `json:"trouble_since,omitzero"`

	Schedule   string    `json:"schedule,omitempty"` // that started the run
	Runner     string    `json:"runner,omitempty"`   // the agent that leads it now
	Generation int64     `json:"generation"`         // counts changes of the record
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	PhaseSince time.Time `json:"phase_since"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// Parts are the source and the members, in place: what is changed of them is
// changed in r.
func (r *Run) Parts() []*RunPart {
	var all []*RunPart
	if r.Source != nil {
		all = append(all, r.Source)
	}
	for i := range r.Members {
		all = append(all, &r.Members[i])
	}
	return all
}

// RunRequest asks for a run: POST /v1/runs.
type RunRequest struct {
	// ID names the run. Asking for one that stands, with the same request, returns
	// it; "" has the agent choose.
	ID       string `json:"id,omitempty"`
	Database string `json:"database"` // the instance in the agents' configuration

	// Either Source is the node that the database is captured on, or Backup is the
	// ID of a backup, or "latest".
	Source string `json:"source,omitempty"`
	Backup string `json:"backup,omitempty"`

	Copies  *Copies  `json:"copies,omitempty"`  // nil: the capture is not kept
	Restore *Restore `json:"restore,omitempty"` // nil: nothing is restored
}

// Copies says where a backup is kept.
type Copies struct {
	Count    int       `json:"count"`              // at least so many nodes
	Path     string    `json:"path"`               // directory on them, inside an allowed root
	Selector Selector  `json:"selector"`           // which nodes may be chosen
	Name     string    `json:"name,omitempty"`     // of the backup; "" has it chosen
	KeepOnly Retention `json:"keep_only,omitzero"` // which of the database's backups stay afterwards
}

// What a restored database becomes.
const (
	AsReplica    = "replica"    // follows the primary that the node's configuration names
	AsStandalone = "standalone" // opens on its own, writable
)

// Restore says who gets the content, and how they switch to it.
type Restore struct {
	Selector Selector `json:"selector"` // nodes without this database are left out
	As       string   `json:"as"`       // AsReplica or AsStandalone
	// What may be replaced beside replicas and data directories that are missing
	// or empty: AllowStopped, a database that does not run and was no replica
	// ("require_replica: false"); AllowPrimary, one that runs and takes writes.
	AllowStopped bool `json:"allow_stopped,omitempty"`
	AllowPrimary bool `json:"allow_primary,omitempty"`
	// Force replaces replicas that follow their primary well, too; without it they
	// are skipped.
	Force bool `json:"force,omitempty"`
	// MaxUnavailable is how many members are switched at a time; 1 if 0.
	MaxUnavailable int `json:"max_unavailable,omitempty"`
	// MaxLagBytes is what a healthy replica may be behind; 16 MiB if 0.
	MaxLagBytes int64 `json:"max_lag_bytes,omitempty"`
	// HealthTimeout is what a member has to become healthy, in seconds; 300 if 0.
	HealthTimeout float64 `json:"health_timeout,omitempty"`
}

// RunPhase is how far a run is.
type RunPhase string

// The phases in their order; the last four are ends.
const (
	RunPlanned   RunPhase = "planned"
	RunPreflight RunPhase = "preflight" // every part looks at what it has
	RunCapturing RunPhase = "capturing"
	RunCopying   RunPhase = "copying" // to those who keep the backup, and to the members
	RunRolling   RunPhase = "rolling" // members switch, MaxUnavailable at a time
	RunCleaning  RunPhase = "cleaning"
	RunComplete  RunPhase = "complete"
	RunPartial   RunPhase = "partial" // some members have it; the others are as they were
	RunAborted   RunPhase = "aborted"
	RunFailed    RunPhase = "failed"
)

// Finished reports whether p is an end.
func (p RunPhase) Finished() bool {
	return p == RunComplete || p == RunPartial || p == RunAborted || p == RunFailed
}

// RunPart is a node's part in a run.
type RunPart struct {
	Node     string `json:"node"`
	Location string `json:"location"`
	// Goal is what the node shall do now; the runner sets it.
	Goal PartGoal `json:"goal"`
	// GoalSince is when the runner set Goal.
	GoalSince time.Time `json:"goal_since,omitzero"`
	// Report is what the node said last, in State "" if nothing yet.
	Report PartReport `json:"report"`
	// Unreachable is set by the server when the node's record has expired.
	Unreachable bool `json:"unreachable,omitempty"`
	// TroubleSince is since when the runner has found the node unreachable, or
	// unable to get the content; zero if it is neither.
	TroubleSince time.Time `json:"trouble_since,omitzero"`
	// Error is why the runner gave the part up, whatever its report says: the node
	// is gone, or cannot get the content. Its goal is then GoalRevert or GoalEnd.
	Error *Error `json:"error,omitempty"`
}

// PartGoal is what a node shall reach.
type PartGoal string

// Goals of a source, then of a member. GoalEnd is both's last: what only the run
// needed is removed.
const (
	GoalProbe   PartGoal = "probe"
	GoalCapture PartGoal = "capture" // pin the log, capture, verify, publish
	GoalReady   PartGoal = "ready"   // verify and configure what was copied beside the data
	GoalSwitch  PartGoal = "switch"  // stop, swap, start, become healthy
	GoalCommit  PartGoal = "commit"  // remove the old data
	GoalRevert  PartGoal = "revert"  // bring the old data back, if they were swapped
	GoalEnd     PartGoal = "end"
)

// PartState is how far a node is.
type PartState string

// States of a source, then of a member, then ends of both.
const (
	PartProbed    PartState = "probed"
	PartPinned    PartState = "pinned"
	PartCapturing PartState = "capturing"
	PartCaptured  PartState = "captured" // and published

	PartStaged     PartState = "staged" // the copy is the node's own, beside the data
	PartVerified   PartState = "verified"
	PartConfigured PartState = "configured" // ready to switch
	PartStopped    PartState = "stopped"
	PartSwapped    PartState = "swapped"
	PartStarted    PartState = "started"
	PartCatchingUp PartState = "catching_up"
	PartHealthy    PartState = "healthy"
	PartCommitted  PartState = "committed"

	PartSkipped    PartState = "skipped"     // a healthy replica already
	PartFailed     PartState = "failed"      // before anything was touched
	PartRolledBack PartState = "rolled_back" // the old data are back and run as before
	PartStuck      PartState = "stuck"       // neither the new nor the old data run: a person is needed
	PartEnded      PartState = "ended"
)

// Final reports whether a part stays in s whatever its goal, GoalEnd apart.
func (s PartState) Final() bool {
	switch s {
	case PartCommitted, PartSkipped, PartFailed, PartRolledBack, PartStuck, PartEnded:
		return true
	}
	return false
}

// PartReport is what a node tells of its part.
type PartReport struct {
	Node  string    `json:"node"`
	State PartState `json:"state"`
	// Doing says what is under way, such as "pg_verifybackup"; "" if nothing.
	Doing    string    `json:"doing,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	Error    *Error    `json:"error,omitempty"`

	Probe   *DatabaseState `json:"probe,omitempty"`
	Content *BackupContent `json:"content,omitempty"` // what a source captured
	Digest  string         `json:"digest,omitempty"`  // under which it is published
	Size    int64          `json:"size,omitempty"`    // bytes of the artifact
	TakenAt time.Time      `json:"taken_at,omitzero"` // when the capture began
	// VerifiedAt is when the driver checked the capture, zero if it did not.
	VerifiedAt time.Time       `json:"verified_at,omitzero"`
	Pin        string          `json:"pin,omitempty"` // what holds the log, such as a slot
	Health     *DatabaseHealth `json:"health,omitempty"`
	// OldData is where a member's former data are kept, "" if nowhere.
	OldData string `json:"old_data,omitempty"`
	// Done says that GoalEnd is reached: nothing that only the run needed is left
	// on the node, or, in PartStuck, that nothing more will be done.
	Done      bool      `json:"done,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
}

// What stands at a data directory.
const (
	DatabaseAbsent  = "absent"  // there is no such directory
	DatabaseEmpty   = "empty"   // an empty directory
	DatabaseStopped = "stopped" // a database that does not run; see WasReplica
	DatabasePrimary = "primary" // runs and takes writes
	DatabaseReplica = "replica" // runs and follows another
	DatabaseForeign = "foreign" // something else
)

// DatabaseState is what a node found at an instance's data directory.
type DatabaseState struct {
	Driver         string `json:"driver"`
	Kind           string `json:"kind"`                  // DatabaseAbsent to DatabaseForeign
	WasReplica     bool   `json:"was_replica,omitempty"` // of one that is stopped: it followed another
	Engine         string `json:"engine,omitempty"`
	Version        string `json:"version,omitempty"`         // of the data
	ProgramVersion string `json:"program_version,omitempty"` // of the installed programs
	Architecture   string `json:"architecture,omitempty"`
	ClusterID      string `json:"cluster_id,omitempty"`
	Timeline       string `json:"timeline,omitempty"`
	PID            int    `json:"pid,omitempty"`
	Position       string `json:"position,omitempty"` // in the engine's log, if it runs
	DataDir        string `json:"data_dir"`
	DataBytes      int64  `json:"data_bytes"`
	FreeBytes      int64  `json:"free_bytes"` // of the filesystem of the directory above
	Owner          string `json:"owner,omitempty"`
	Group          string `json:"group,omitempty"`
	Mode           string `json:"mode,omitempty"` // octal
	// Mountpoint says that a filesystem is mounted on DataDir, so that it cannot be
	// exchanged. Outside are directories elsewhere that belong to the database,
	// such as tablespaces.
	Mountpoint bool     `json:"mountpoint,omitempty"`
	Outside    []string `json:"outside,omitempty"`
	// Health is that of a replica that runs.
	Health *DatabaseHealth `json:"health,omitempty"`
}

// DatabaseHealth is how a started database does.
type DatabaseHealth struct {
	Healthy     bool   `json:"healthy"`
	Replicating bool   `json:"replicating,omitempty"`
	Writable    bool   `json:"writable,omitempty"`
	Position    string `json:"position,omitempty"`
	LagBytes    int64  `json:"lag_bytes,omitempty"`
	// Fault is one of the Fault constants of core/pluginapi, "" for none.
	Fault   string `json:"fault,omitempty"`
	Message string `json:"message,omitempty"`
}

// RunList answers GET /v1/runs, newest first.
type RunList struct {
	Runs []Run `json:"runs"`
}

// EventRun is the name of the server-sent event of GET /v1/runs/{id}/events; its
// data is a Run.
const EventRun = "run"

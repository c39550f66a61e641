package restore

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Journal is what a node knows of its part. The agent writes it, with fsync, after
// every operation and whenever Before changes it, and reads it again when it
// starts. It is a value: its methods return another.
type Journal struct {
	Run      string        `json:"run"`
	Node     string        `json:"node"`
	Database string        `json:"database"`
	Member   bool          `json:"member"` // else the source
	State    api.PartState `json:"state"`
	// Error is why the part failed, or what the operation that is tried again ran
	// into last.
	Error *api.Error `json:"error,omitempty"`
	// FailingSince is since when Op has been tried in vain.
	Failing      Op        `json:"failing,omitempty"`
	FailingSince time.Time `json:"failing_since,omitzero"`

	Probe *api.DatabaseState `json:"probe,omitempty"`

	// Of a source.
	Pins       bool               `json:"pins,omitempty"` // the log is to be held
	Pin        string             `json:"pin,omitempty"`
	TakenAt    time.Time          `json:"taken_at,omitzero"`
	VerifiedAt time.Time          `json:"verified_at,omitzero"`
	Content    *api.BackupContent `json:"content,omitempty"` // of a member: what it gets
	Digest     string             `json:"digest,omitempty"`
	Size       int64              `json:"size,omitempty"`
	Unpinned   bool               `json:"unpinned,omitempty"`
	Dropped    bool               `json:"dropped,omitempty"`

	// Of a member.
	Restore api.Restore `json:"restore,omitzero"`
	// Stopping: the old database may have been stopped by us. Running: it ran
	// before, and is started when it comes back.
	Stopping bool `json:"stopping,omitempty"`
	Running  bool `json:"running,omitempty"`
	// Swap is what stood where before the exchange, nil before it was begun.
	// Exchanging says that an exchange may have been interrupted: OpLook tells.
	Swap       *Swap `json:"swap,omitempty"`
	Exchanging bool  `json:"exchanging,omitempty"`
	// Committing: the old data may be gone in part, there is no way back. Reverting:
	// the way back was begun, there is no way forward.
	Committing bool                `json:"committing,omitempty"`
	Reverting  bool                `json:"reverting,omitempty"`
	StartedAt  time.Time           `json:"started_at,omitzero"` // when the new database was started first
	Health     *api.DatabaseHealth `json:"health,omitempty"`
	CleanedUp  bool                `json:"cleaned_up,omitempty"` // by the driver
	Removed    bool                `json:"removed,omitempty"`    // the staging is

	// What only this process knows: a restart of the machine may have started the
	// database, or another may have promoted it.
	checked, stopped, newStopped bool
	samples                      int // of good health, in a row
}

// Result is how an operation ended. Fields beside Err, Retry and At are those of
// the operations that their comments name.
type Result struct {
	// Err is why it failed; Retry that another try may help. OpAwaitHealth reports
	// an unhealthy database in Health, not here.
	Err   *api.Error
	Retry bool
	// Wait: what a polled operation waits for has not come yet.
	Wait bool
	At   time.Time // when it ended

	Probe   *api.DatabaseState  // OpProbe, OpCheckRole
	Pin     string              // OpPin
	PinLost bool                // OpWatchPin, OpPin
	TakenAt time.Time           // OpCapture: when it began
	Content *api.BackupContent  // OpCapture
	Digest  string              // OpPublish
	Size    int64               // OpPublish
	Side    Side                // OpLook
	Health  *api.DatabaseHealth // OpAwaitHealth
}

// Swap is which directories an exchange is about, by their inode numbers before
// it.
type Swap struct {
	Data   uint64 `json:"data"` // the data directory; 0 if there was none
	Staged uint64 `json:"staged"`
}

// Side is which of both directories stands as the data directory.
type Side string

// The sides.
const (
	SideOld     Side = "old"
	SideNew     Side = "new"
	SideUnknown Side = "unknown" // neither: somebody else changed it
)

// Side tells what happened from the inode numbers that are there now; 0 is for
// what is missing.
func (s Swap) Side(data, staged uint64) Side {
	switch {
	case data == s.Data && staged == s.Staged:
		return SideOld
	case data == s.Staged && staged == s.Data:
		return SideNew
	}
	return SideUnknown
}

// NewJournal begins the part of a node in a run; ok is false if it has none.
func NewJournal(r api.Run, node string) (j Journal, ok bool) {
	return Journal{Run: r.ID, Node: node, Database: r.Request.Database}, false
}

// Learn takes in what the run has come to know since: the content that a member
// gets. It is called whenever the run's record was read.
func (j Journal) Learn(r api.Run) Journal {
	return j
}

// Before says what must be on the disk before op is performed. changed says that
// the journal must be written first. swap is needed for OpExchange only.
func (j Journal) Before(op Op, swap Swap) (_ Journal, changed bool) {
	return j, false
}

// After takes in how op ended.
func (j Journal) After(op Op, r Result) Journal {
	return j
}

// Done reports whether GoalEnd is reached.
func (j Journal) Done() bool { return false }

// Report is what the node tells of its part. Doing, Progress, OldData and
// UpdatedAt are the caller's to add.
func (j Journal) Report() api.PartReport {
	return api.PartReport{Node: j.Node, State: j.State, Error: j.Error}
}

// ParseJournal reads what Encode wrote.
func ParseJournal(data []byte) (Journal, error) {
	return Journal{}, nil
}

// Encode writes the journal for the disk.
func (j Journal) Encode() []byte {
	return nil
}

package restore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Journal is what a node knows of its part. The agent writes it, with fsync, after
// every operation and whenever Before changes it, and reads it again when it
// starts. It is a value: its methods return another and change nothing.
type Journal struct {
	Run      string        `json:"run"`
	Node     string        `json:"node"`
	Database string        `json:"database"`
	Member   bool          `json:"member"` // else the source
	State    api.PartState `json:"state"`
	// Error is why the part failed, or went back.
	Error *api.Error `json:"error,omitempty"`
	// Failing is the operation that is tried again, since FailingSince, for
	// Trouble; "" if the last one succeeded.
	Failing      Op         `json:"failing,omitempty"`
	FailingSince time.Time  `json:"failing_since,omitzero"`
	Trouble      *api.Error `json:"trouble,omitempty"`

	// Probe is what was found first; of a member, later what was found right before
	// the old database was stopped.
	Probe   *api.DatabaseState `json:"probe,omitempty"`
	Content *api.BackupContent `json:"content,omitempty"` // captured, or to be restored

	Source *SourceJournal `json:"source,omitempty"`
	Target *TargetJournal `json:"target,omitempty"`

	memory
}

// SourceJournal is the part of a Journal that only a source has.
type SourceJournal struct {
	Pins bool   `json:"pins"` // the log is to be held
	Pin  string `json:"pin,omitempty"`
	// Holding: a pin may stand. Writing: the capture directory may exist, and the
	// artifact.
	Holding    bool      `json:"holding,omitempty"`
	Writing    bool      `json:"writing,omitempty"`
	TakenAt    time.Time `json:"taken_at,omitzero"`
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	Digest     string    `json:"digest,omitempty"`
	Size       int64     `json:"size,omitempty"`
}

// TargetJournal is the part of a Journal that only a member has.
type TargetJournal struct {
	Restore api.Restore `json:"restore"`
	// Former is the MemberName under which the node followed before, as the agent
	// remembers it from an earlier run; the agent sets it. "" is none.
	Former string `json:"former,omitempty"`
	// Configuring: OpConfigure may have left something elsewhere. Stopping: the old
	// database may have been stopped. Running: it ran, and is started when it comes
	// back.
	Configuring bool `json:"configuring,omitempty"`
	Stopping    bool `json:"stopping,omitempty"`
	Running     bool `json:"running,omitempty"`
	// Swap is what stood where before the exchange; nil if the old data stand.
	// Exchanging: an exchange may have been interrupted, OpLook tells.
	Swap       *Swap `json:"swap,omitempty"`
	Exchanging bool  `json:"exchanging,omitempty"`
	// Committing: the old data may be gone in part, there is no way back. Reverting:
	// there is no way forward.
	Committing bool                `json:"committing,omitempty"`
	Reverting  bool                `json:"reverting,omitempty"`
	StartedAt  time.Time           `json:"started_at,omitzero"` // the new database, by this process of the agent
	Health     *api.DatabaseHealth `json:"health,omitempty"`
	Removed    bool                `json:"removed,omitempty"` // the staging is
}

// memory is what only this process of the agent knows, and does not write:
// meanwhile the machine may have been started anew with its databases, or
// somebody may have promoted one.
type memory struct {
	checked    bool // the role, for the OpStop that follows
	stopped    bool // the old database
	looked     bool // at it after that, for the OpExchange that follows
	newStopped bool
	started    bool // the new one
	samples    int  // of good health, in a row
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
	case s.Staged == 0 || s.Data == s.Staged:
		return SideUnknown
	case data == s.Data && staged == s.Staged:
		return SideOld
	case data == s.Staged && staged == s.Data:
		return SideNew
	}
	return SideUnknown
}

// Result is how an operation ended. Fields beside Err, Retry and At are those of
// the operations that their comments name.
type Result struct {
	// Err is why it failed; Retry that another try may help. OpAwaitHealth reports
	// an unhealthy database in Health, not here.
	Err   *api.Error
	Retry bool
	// Hold: nothing was tried, as a person has to correct what has nothing to do with
	// the database. Removed: the node's configuration does not name it any more.
	Hold, Removed bool
	At            time.Time // when it ended

	Wait    bool                // OpAwaitRelease, OpRemoveStaging: a distribution claims it still
	Probe   *api.DatabaseState  // OpProbe, OpCheckRole
	Pin     string              // OpPin; "" if the driver has nothing of the kind
	PinLost bool                // OpPin, OpWatchPin
	TakenAt time.Time           // OpCapture: when it began
	Content *api.BackupContent  // OpCapture
	Digest  string              // OpPublish
	Size    int64               // OpPublish
	Side    Side                // OpLook
	Health  *api.DatabaseHealth // OpAwaitHealth
	Final   bool                // OpAwaitHealth: waiting cannot heal the fault
}

// NewJournal begins the part of a node in a run; ok is false if it has none, or if
// the run's name is none: records are not signed, and paths are made from it. If
// the run says that the node was further, its journal is lost: what was not
// switched begins again, the rest is for a person.
func NewJournal(r api.Run, node string) (j Journal, ok bool) {
	if checkID("run", r.ID) != nil {
		return Journal{}, false
	}
	j = Journal{Run: r.ID, Node: node, Database: r.Request.Database}
	if r.Source != nil && r.Source.Node == node {
		j.Source = &SourceJournal{Pins: needsPin(r.Request)}
		return j.sourceLost(r.Source.Report), true
	}
	for _, m := range r.Members {
		if m.Node == node && r.Request.Restore != nil {
			j.Member, j.Target = true, &TargetJournal{Restore: *r.Request.Restore}
			return j.memberLost(m).Learn(r), true
		}
	}
	return Journal{}, false
}

// needsPin: only replicas that are made from a live source have to catch up with
// it. A capture is whole without.
func needsPin(r api.RunRequest) bool {
	return r.Source != "" && r.Restore != nil && r.Restore.As == api.AsReplica
}

func (j Journal) sourceLost(last api.PartReport) Journal {
	if last.State == "" || last.State == api.PartProbed {
		return j
	}
	j.Source.Holding, j.Source.Writing = j.Source.Pins && !last.Done, !last.Done
	j.State = api.PartEnded
	if last.State != api.PartEnded {
		j.State, j.Error = api.PartFailed, lostJournal(j, "start the run again")
	}
	return j
}

// memberLost: reports may be late. A member that was told to switch may have done
// so, and its staging may hold the old data.
func (j Journal) memberLost(m api.RunPart) Journal {
	last := m.Report
	switch waiting := m.Goal == api.GoalProbe || m.Goal == api.GoalReady; {
	case last.State == api.PartConfigured && !waiting,
		last.State == api.PartStopped, last.State == api.PartSwapped, last.State == api.PartStarted,
		last.State == api.PartCatchingUp, last.State == api.PartHealthy:
		j.State = api.PartStuck
		j.Error = lostJournal(j, fmt.Sprintf("look which database stands, and whether the other is beside it in .rackswarm.%s", j.Run))
	case last.State == api.PartVerified, last.State == api.PartConfigured:
		j.Target.Configuring = true
	case last.State.Final():
		j.State, j.Error, j.Target.Configuring = last.State, last.Error, !last.Done
		j.Target.Removed = last.Done
	}
	return j
}

func lostJournal(j Journal, fix string) *api.Error {
	return &api.Error{Code: api.CodeState, Subject: j.Node,
		Message: fmt.Sprintf("the agent lost its journal of run %s", j.Run), Fix: fix}
}

// Learn takes in what the run has come to know since: the content that a member
// gets. It is called whenever the run's record was read.
func (j Journal) Learn(r api.Run) Journal {
	if j.Member && j.Content == nil && r.Backup != nil && r.Backup.Digest != "" {
		content := r.Backup.Content
		j.Content = &content
	}
	return j
}

// Done reports whether GoalEnd is reached: nothing that only the run needed is
// left, or nothing more will be done.
func (j Journal) Done() bool {
	return j.State.Final() && Next(j, api.GoalEnd) == OpNone
}

// Leaves reports whether a part whose goal is given is through with the database of
// its node: what is left to do, if anything, is to be done on the primary, which
// may be gone for good. Another run may have the database then.
func (j Journal) Leaves(goal api.PartGoal) bool {
	if !j.State.Final() && goal != api.GoalEnd {
		return false
	}
	switch Next(j, api.GoalEnd) {
	case OpNone, OpUnpin, OpDropFormer, OpCleanup:
		return true
	}
	return false
}

// Holds is how many bytes the part holds on the node's disk for the run, in a
// capture or in a copy that is the node's own; about as many, as files of databases
// come and go.
func (j Journal) Holds() int64 {
	switch {
	case j.Source != nil && j.Source.Writing && j.Content != nil:
		return j.Content.DataBytes
	case j.Source != nil && j.Source.Writing && j.Probe != nil:
		return j.Probe.DataBytes
	case j.Target != nil && !j.Target.Removed && j.Content != nil && j.State != "" && j.State != api.PartProbed && j.State != api.PartSkipped:
		return j.Content.DataBytes
	}
	return 0
}

// Report is what the node tells of its part. Doing, Progress, OldData and
// UpdatedAt are the caller's to add.
func (j Journal) Report() api.PartReport {
	r := api.PartReport{Node: j.Node, State: j.State, Error: j.Error, Probe: j.Probe, Done: j.Done()}
	if r.Error == nil {
		r.Error = j.Trouble
	}
	if s := j.Source; s != nil {
		r.Content, r.Digest, r.Size = j.Content, s.Digest, s.Size
		r.TakenAt, r.VerifiedAt = s.TakenAt, s.VerifiedAt
		if s.Holding {
			r.Pin = s.Pin
		}
	}
	if t := j.Target; t != nil {
		r.Health = t.Health
	}
	return r
}

// Resume is what an agent that has just read the journal goes by. After an exchange
// it looks first which directory stands: the last that it did may not be written,
// and meanwhile others could work there.
func (j Journal) Resume() Journal {
	if t := j.Target; t != nil && t.Swap != nil && !t.Committing && !j.State.Final() {
		j = j.clone()
		j.Target.Exchanging = true
	}
	return j
}

// Encode writes the journal for the disk.
func (j Journal) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the journal of run %s: %w", j.Run, err)
	}
	return append(data, '\n'), nil
}

// ParseJournal reads what Encode wrote, and refuses what it cannot have written.
func ParseJournal(data []byte) (Journal, error) {
	var j Journal
	if err := json.Unmarshal(data, &j); err != nil {
		return Journal{}, fmt.Errorf("read a journal: %w", err)
	}
	if err := j.check(); err != nil {
		return Journal{}, fmt.Errorf("read the journal of run %q: %w", j.Run, err)
	}
	return j, nil
}

func (j Journal) check() error {
	known := sourceStates
	if j.Member {
		known = memberStates
	}
	switch {
	case checkID("run", j.Run) != nil:
		return fmt.Errorf("the run's name is malformed")
	case j.Member != (j.Target != nil) || j.Member == (j.Source != nil):
		return fmt.Errorf("it is neither that of a source nor that of a member")
	case !known[j.State]:
		return fmt.Errorf("state %q is not known", j.State)
	case j.Target != nil && j.Content == nil && needsContent[j.State]:
		return fmt.Errorf("state %s without what it was restored with", j.State)
	case j.Target != nil && j.Target.Exchanging && j.Target.Swap == nil:
		return fmt.Errorf("an exchange without its directories")
	}
	return nil
}

var sourceStates = map[api.PartState]bool{
	"": true, api.PartProbed: true, api.PartPinned: true, api.PartCapturing: true, api.PartCaptured: true,
	api.PartFailed: true, api.PartEnded: true,
}

var memberStates = map[api.PartState]bool{
	"": true, api.PartProbed: true, api.PartStaged: true, api.PartVerified: true, api.PartConfigured: true,
	api.PartStopped: true, api.PartSwapped: true, api.PartStarted: true, api.PartCatchingUp: true,
	api.PartHealthy: true, api.PartCommitted: true, api.PartSkipped: true, api.PartFailed: true,
	api.PartRolledBack: true, api.PartStuck: true,
}

var needsContent = map[api.PartState]bool{
	api.PartStaged: true, api.PartVerified: true, api.PartConfigured: true, api.PartStopped: true,
	api.PartSwapped: true, api.PartStarted: true, api.PartCatchingUp: true, api.PartHealthy: true,
}

package pluginapi

import "context"

// DatabaseDriver knows one kind of database: it looks at instances, captures
// their content, and makes captured content ready to run. The agent does the
// rest: space, ownership, transfer, the swap of directories, the journal.
//
// Every method may be called again after it was interrupted at any moment, and
// must then reach the same end. A call whose context ends stops its work, ends
// the programs it started and returns soon. Errors are *Error; others are taken
// as CodeInternal.
type DatabaseDriver interface {
	// Describe says what the driver is. It touches no instance.
	Describe(ctx context.Context) (Description, error)

	// Probe looks at an instance and changes nothing. A data directory that is
	// missing, empty or not of this engine is a finding, no error.
	Probe(ctx context.Context, t Target) (Probe, error)

	// Pin has a running instance keep its log from now on, so that those who are
	// restored from a later Capture can catch up. Pinning again under the same name
	// returns what stands. CodeUnsupported if the engine has nothing of the kind.
	Pin(ctx context.Context, t Target, name string) (Pin, error)
	// PinStatus tells whether the log is still there.
	PinStatus(ctx context.Context, t Target, name string) (Pin, error)
	// Unpin ends Pin; a pin that is not there is no error.
	Unpin(ctx context.Context, t Target, name string) error

	// Capture writes the instance's content into c.Dir, an empty directory that
	// the agent made, as the files of a data directory. When it returns the files
	// are complete and will not change.
	Capture(ctx context.Context, t Target, c CaptureRequest, progress func(Progress)) (Capture, error)

	// Verify checks the captured files in dir, which were never started, with the
	// engine's own means. It changes nothing. Damage is an error with CodeCorrupt.
	Verify(ctx context.Context, t Target, dir string, progress func(Progress)) error

	// Configure makes the captured files in c.Dir ready to run as the instance t:
	// the agent will swap c.Dir to t.DataDir and call Start.
	Configure(ctx context.Context, t Target, c ConfigureRequest) error

	// Start starts the instance and returns when its process stands; an instance
	// that runs is no error. That it started proves nothing: see Health.
	Start(ctx context.Context, t Target) error
	// Stop stops it, and returns when no process of it is left; one that does not
	// run is no error.
	Stop(ctx context.Context, t Target) error

	// Health looks at a started instance. An instance that does not run is a
	// finding (Fault FaultDown), no error.
	Health(ctx context.Context, t Target, h HealthRequest) (Health, error)

	// Cleanup removes what Configure left elsewhere for a member that was not kept,
	// such as its slot on the primary. Nothing to remove is no error.
	Cleanup(ctx context.Context, t Target, member string) error
}

// Target is an instance, as the configuration of the agent on this machine says.
// Nothing in it comes from the network.
type Target struct {
	Name     string // of the instance
	DataDir  string // absolute
	Settings map[string]string
	// Commands replace the driver's own ways, by what they do: "start", "stop".
	Commands map[string][]string
}

// Description is what a driver is.
type Description struct {
	Name     string    // such as "postgres"
	Engine   string    // such as "PostgreSQL"
	Version  string    // of the driver
	Versions []string  // of the engine that it supports, such as "15"
	Settings []Setting // that instances may have
	Pins     bool      // Pin is supported
	Replicas bool      // AsReplica is supported
}

// Setting is one of Target.Settings. A Name such as "config.<parameter>" stands
// for all settings that begin with what is before the '<'.
type Setting struct {
	Name, Help string
	Required   bool
}

// Kind is what stands at a data directory. The values are those of the
// agents' interface.
type Kind string

// The kinds.
const (
	KindAbsent  Kind = "absent"
	KindEmpty   Kind = "empty"
	KindStopped Kind = "stopped"
	KindPrimary Kind = "primary" // runs and takes writes
	KindReplica Kind = "replica" // runs and follows another
	KindForeign Kind = "foreign" // something else: never touched
)

// Probe is what was found.
type Probe struct {
	Kind           Kind
	WasReplica     bool   // of a stopped one: it followed another
	Version        string // of the data, such as "15"
	ProgramVersion string // of the programs that would run it, such as "15.18"
	Architecture   string // if the files depend on it
	ClusterID      string
	Timeline       string
	PID            int
	Position       string   // in the log, if it runs
	Bytes          int64    // of the data directory and of all that a capture would hold
	Outside        []string // directories elsewhere that belong to it, such as tablespaces
	Health         *Health  // of a replica that runs
}

// Pin is a hold on the log.
type Pin struct {
	ID       string // such as a slot's name
	Position string // from here on the log is kept
	Lost     bool   // it was given up: what was captured cannot catch up
}

// CaptureRequest says where to.
type CaptureRequest struct {
	Dir     string
	Run     string
	Pin     string // name given to Pin, "" for none
	MaxRate int64  // bytes per second, 0 for any
}

// Capture is what was captured.
type Capture struct {
	Version, Architecture, ClusterID, Timeline string
	Start, End                                 string // positions in the log
	Bytes                                      int64
}

// Role is what restored content becomes.
type Role string

// The roles.
const (
	AsReplica    Role = "replica"    // follows the primary that Target.Settings name
	AsStandalone Role = "standalone" // opens on its own, writable
)

// ConfigureRequest says how to run.
type ConfigureRequest struct {
	Dir    string // the captured files
	Role   Role
	Member string // unique among those who follow one primary: letters, digits and '_'
	Pin    string // of the run, on the primary, to take the member's own hold from; "" for none
}

// HealthRequest says what healthy means.
type HealthRequest struct {
	Role      Role
	Member    string
	ClusterID string // that it must have
	MaxLag    int64  // bytes
}

// Health is what was found of a started instance.
type Health struct {
	// Healthy: it does what its role says; a replica streams and is at most MaxLag
	// behind.
	Healthy     bool
	Replicating bool
	Writable    bool
	Position    string
	LagBytes    int64
	Fault       Fault
	Message     string // of the fault, for people: what, and what to do
}

// Fault is why an instance is not healthy. Those that waiting cannot heal end a
// member's try at once.
type Fault string

// The faults.
const (
	FaultNone         Fault = ""
	FaultDown         Fault = "down"          // no process
	FaultStarting     Fault = "starting"      // wait
	FaultUnreachable  Fault = "unreachable"   // the primary does not answer: wait
	FaultLagging      Fault = "lagging"       // wait
	FaultLogGone      Fault = "log_gone"      // final
	FaultWrongCluster Fault = "wrong_cluster" // final
	FaultDuplicate    Fault = "duplicate"     // another member uses its identity; final
	FaultWrongRole    Fault = "wrong_role"    // writable and should follow, or the reverse; final
	FaultRefused      Fault = "refused"       // the primary refuses credentials; final
	FaultCorrupt      Fault = "corrupt"       // final
)

// Final reports whether waiting cannot heal f.
func (f Fault) Final() bool {
	switch f {
	case FaultLogGone, FaultWrongCluster, FaultDuplicate, FaultWrongRole, FaultRefused, FaultCorrupt:
		return true
	}
	return false
}

// Progress of a long call.
type Progress struct {
	Doing string // such as "pg_basebackup"
	Done  int64  // bytes
	Total int64  // bytes, 0 if not known

}

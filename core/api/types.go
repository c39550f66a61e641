package api

import "time"

// Node is a machine that runs an agent.
type Node struct {
	Name     string            `json:"name"`
	Location string            `json:"location"`           // such as "ams1/rsn-27"; "" is the root
	Labels   map[string]string `json:"labels,omitempty"`   // what selectors match on
	DataAddr string            `json:"data_addr"`          // host:port other agents fetch from
	APIAddr  string            `json:"api_addr,omitempty"` // host:port of the API on mutual TLS, if it listens there
	Version  string            `json:"version"`
	// Databases are the instances that its configuration names, with their
	// drivers.
	Databases map[string]string `json:"databases,omitempty"`
	// Roots are the directories in which content may be installed, also as they are
	// without symbolic links; empty if the node does not tell them.
	Roots []string `json:"roots,omitempty"`
	// UsedBytes is what the node holds for rackswarm, QuotaBytes what it may hold;
	// 0 is any amount.
	UsedBytes  int64 `json:"used_bytes,omitempty"`
	QuotaBytes int64 `json:"quota_bytes,omitempty"`
	// Alive is whether the node's expiring record is still there. LastSeen is
	// when the node last refreshed it, by its own clock.
	Alive    bool      `json:"alive"`
	LastSeen time.Time `json:"last_seen"`
}

// Artifact is immutable content that was published.
type Artifact struct {
	Digest       string   `json:"digest"` // "sha256:" + hex of the v2 info-hash
	Name         string   `json:"name"`
	Kind         string   `json:"kind"` // "file" or "tree"
	SizeBytes    int64    `json:"size_bytes"`
	Files        int      `json:"files"`
	PieceLength  int64    `json:"piece_length"`
	ManifestSize int64    `json:"manifest_size"`      // bytes of the encoded manifest
	Checksum     string   `json:"checksum,omitempty"` // "sha256:" + hex of a single file's content
	Publisher    string   `json:"publisher"`          // base64 of the ed25519 public key
	Signature    string   `json:"signature"`          // base64, over the digest
	Seeds        []string `json:"seeds"`              // nodes that hold the published source
	// Troubles are seeds that cannot serve the source as it was published, by
	// name of the node.
	Troubles []SeedTrouble `json:"troubles,omitempty"`
	// Source is the path on the first seed, if it is served in place, or the URL
	// that it was downloaded from, without user, password and query.
	Source string `json:"source,omitempty"`
	// SourceVersion tells the versions of a remote source apart, as in
	// SourceState; "" if that is not known.
	SourceVersion string    `json:"source_version,omitempty"`
	CreatedAt     time.Time `json:"created_at"`
}

// SeedTrouble is why a node cannot serve all of a source: files of it changed
// after it was published. It ends when the source is published again, is as it was
// again, or is withdrawn.
type SeedTrouble struct {
	Node  string `json:"node"`
	Error Error  `json:"error"`
}

// Desired states of a distribution.
const (
	StatePresent = "present"
	StateAbsent  = "absent" // the content is being removed from the nodes
)

// Distribution is the desired state: this artifact belongs at this path on the
// nodes that the selector matches, now and whenever a node joins later.
type Distribution struct {
	Name     string   `json:"name"`
	Digest   string   `json:"digest"`
	Path     string   `json:"path"` // absolute, inside an allowed root of every target
	Selector Selector `json:"selector"`
	// Owner and Group are names or numbers. Empty, they are left alone: new
	// content belongs to the agent's user, and what was changed since stays.
	// Mode is octal, for a file or the top directory of a tree; empty is the
	// artifact's.
	Owner string `json:"owner,omitempty"`
	Group string `json:"group,omitempty"`
	Mode  string `json:"mode,omitempty"`
	// Overwrite allows content at Path that rackswarm did not put there to be
	// replaced. Without it that is an error on the node.
	Overwrite bool `json:"overwrite,omitempty"`
	// Activate says when the nodes switch to new content: ActivateEach, which is
	// the default, or ActivateTogether.
	Activate string `json:"activate,omitempty"`
	// KeepPrevious has the nodes keep the version before this one, so that a
	// rollback moves no bytes. It takes the space of a second copy.
	KeepPrevious bool  `json:"keep_previous,omitempty"`
	Hooks        Hooks `json:"hooks,omitzero"`
	// Priority is background, normal, which is the default, or urgent: where links are
	// short, transfers of a higher priority go first, and lower ones wait.
	Priority string `json:"priority,omitempty"`
	// MaxDownload and MaxUpload bound the block payload of each node that takes part,
	// in bytes per second above zero; nil is no ceiling.
	MaxDownload *int64 `json:"max_download,omitempty"`
	MaxUpload   *int64 `json:"max_upload,omitempty"`
	// Windows are rates of each node at times of the week, for what it receives and for
	// what it sends, such as "mon-fri 08:00-18:00 20Mbit" or "otherwise unlimited"; the
	// rate 0 lets nothing move. Where windows overlap, the lowest rate counts.
	Windows []string `json:"windows,omitempty"`
	// TimeZone is what the times of Windows are in, such as "Europe/Amsterdam"; ""
	// is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// AllowEmpty accepts a selector that matches no node now.
	AllowEmpty bool `json:"allow_empty,omitempty"`

	State string `json:"state"` // set by the server
	// Activated is the generation that the nodes may switch to, where they
	// switch together; set by the server.
	Activated int64 `json:"activated,omitempty"`
	// Previous is the last other digest that the nodes were to switch to, which a
	// rollback returns to; set by the server.
	Previous string `json:"previous,omitempty"`
	// Generation counts changes of what is desired. VerifyGeneration counts
	// requests to hash everything again.
	Generation       int64     `json:"generation"`
	VerifyGeneration int64     `json:"verify_generation,omitempty"`
	CreatedAt        time.Time `json:"created_at"`
	UpdatedAt        time.Time `json:"updated_at"`
}

// Values of Distribution.Activate.
const (
	// ActivateEach has every node switch as soon as its own content is complete.
	ActivateEach = "each"
	// ActivateTogether has the nodes stage and verify, and switch once all of
	// them have.
	ActivateTogether = "together"
)

// Hooks name commands of the agents' own configuration that are run around the
// switch to new content. A node whose configuration lacks one refuses before
// it fetches.
type Hooks struct {
	// Before are run on the staged content; one that fails keeps the previous
	// version in place.
	Before []string `json:"before,omitempty"`
	// After are run on what stands; one that fails brings the previous version
	// back.
	After []string `json:"after,omitempty"`
}

// Selector chooses nodes: those that match every part that is given. An empty
// selector matches every node.
type Selector struct {
	Locations []string          `json:"locations,omitempty"` // the node is in one of them, at any depth
	Labels    map[string]string `json:"labels,omitempty"`    // the node has all of them
	NodeNames []string          `json:"node_names,omitempty"`
}

// Phase says where a node is with a distribution.
type Phase string

// The phases in the order in which a node passes through them.
const (
	PhasePending    Phase = "pending"    // selected, not started (or not heard of yet)
	PhaseManifest   Phase = "manifest"   // fetching the manifest
	PhaseReusing    Phase = "reusing"    // taking what is on the disk already
	PhaseFetching   Phase = "fetching"   // from peers
	PhaseStaged     Phase = "staged"     // complete and verified beside the destination, waiting for the others
	PhaseInstalling Phase = "installing" // sync and swap into place
	PhaseInstalled  Phase = "installed"  // stands and is verified
	PhaseVerifying  Phase = "verifying"  // hashing what stands
	PhaseRemoving   Phase = "removing"
	PhaseRemoved    Phase = "removed"
	PhaseFailed     Phase = "failed" // see Error; retried with backoff
)

// NodeStatus is one node's report on one distribution.
type NodeStatus struct {
	Node       string `json:"node"`
	Location   string `json:"location"`
	Phase      Phase  `json:"phase"`
	Digest     string `json:"digest"`     // what the report is about
	Generation int64  `json:"generation"` // of the distribution that the node has seen
	// Installed is the digest that stands verified at the path now, "" if none.
	Installed string `json:"installed,omitempty"`
	// Verified is the VerifyGeneration that the node has finished.
	Verified int64 `json:"verified,omitempty"`
	// Drifted says that the node noticed missing or changed files and is
	// repairing them. Repaired counts such repairs.
	Drifted  bool `json:"drifted,omitempty"`
	Repaired int  `json:"repaired,omitempty"`
	// Kept is another version that stands by beside the destination, to be
	// switched to without fetching; KeptBytes is its size.
	Kept      string `json:"kept,omitempty"`
	KeptBytes int64  `json:"kept_bytes,omitempty"`

	BytesTotal  int64 `json:"bytes_total"`
	BytesDone   int64 `json:"bytes_done"`   // verified and on disk, whatever the source
	BytesReused int64 `json:"bytes_reused"` // of these, taken from this node's own disk
	// Received is block payload from other nodes by where they are; duplicates
	// and blocks that failed verification are included.
	Received Received `json:"received"`
	Sent     int64    `json:"sent"`           // block payload to other nodes
	Rate     int64    `json:"rate"`           // bytes per second received, over the last second
	Role     string   `json:"role,omitempty"` // "representative of ams1, root", "initial seeder", "member"
	Peers    int      `json:"peers"`
	// Waiting says what the node has waited for these ten seconds, such as "no peer
	// has 3 of 40 spans"; "" while it gets something, or wants nothing.
	Waiting string `json:"waiting,omitempty"`
	// Held is the hold under which the node keeps blocks of this from moving; nil
	// for none.
	Held *Hold `json:"held,omitempty"`
	// Reasons are what the node itself knows of what it waits for, Top the peers
	// that send it most.
	Reasons []Reason   `json:"reasons,omitempty"`
	Top     []PeerRate `json:"top,omitempty"`

	Error     *Error     `json:"error,omitempty"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	// InstalledAt is when the content of Generation came to stand.
	InstalledAt *time.Time `json:"installed_at,omitempty"`
	UpdatedAt   time.Time  `json:"updated_at"`
	// Unreachable is set by the server when the node's record has expired; the
	// rest is then its last report.
	Unreachable bool `json:"unreachable,omitempty"`
}

// Received splits block payload by the sender's place.
type Received struct {
	// ByLevel[i] is what came from senders whose deepest common location with
	// this node has depth i: index 0 crossed the top-level uplink, the last
	// index came from within the node's own location.
	ByLevel   []int64 `json:"by_level"`
	Seeder    int64   `json:"seeder"`    // of all, from initial seeders
	Duplicate int64   `json:"duplicate"` // of all, thrown away
	// Foreign is of all, from other BitTorrent clients. Where they are is not
	// known: it is counted in ByLevel[0] as well.
	Foreign int64 `json:"foreign,omitempty"`
}

// Status is a distribution with what its nodes report.
type Status struct {
	Distribution Distribution `json:"distribution"`
	Artifact     *Artifact    `json:"artifact,omitempty"`
	Nodes        []NodeStatus `json:"nodes"` // sorted by location, then name
	Summary      Summary      `json:"summary"`
	// Holds are those of the fleet under which the distribution is.
	Holds []Hold `json:"holds,omitempty"`
}

// Summary is what one line says about a distribution.
type Summary struct {
	Targets   int  `json:"targets"`   // nodes that the selector matches
	Converged int  `json:"converged"` // of these, holding the wanted content of this generation
	Failed    int  `json:"failed"`
	Drifted   int  `json:"drifted"`
	Offline   int  `json:"offline"`
	Done      bool `json:"done"` // every target converged
	// Staged have the content beside the destination, and wait. Blockers are the
	// nodes that they wait for, where the switch is made together and not decided.
	Staged   int      `json:"staged,omitempty"`
	Blockers []string `json:"blockers,omitempty"`
	// Paused and Stopped are nodes that are held and did not converge.
	Paused  int `json:"paused,omitempty"`
	Stopped int `json:"stopped,omitempty"`
	// Seconds is from the first node's start to the last one's installation.
	Seconds float64 `json:"seconds"`
	// SeedingRatio is bytes received from initial seeders over the artifact's
	// size (requirement M2).
	SeedingRatio float64 `json:"seeding_ratio"`
	// UplinkCopies is, for each location below the root, the bytes that entered it over
	// the artifact's size. One is ideal.
	UplinkCopies map[string]float64 `json:"uplink_copies"`
	// CrossBytes is what crossed top-level uplinks.
	CrossBytes int64 `json:"cross_bytes"`
}

// PublishRequest asks an agent to hash and sign a path on its own machine and
// to serve it in place, to download a URL and publish the copy, or to have
// another node publish a path.
type PublishRequest struct {
	// Source is an absolute path on the agent's machine, an http or https URL, or
	// node://NAME/PATH for a path on the machine of another node.
	Source    string `json:"source"`
	Name      string `json:"name,omitempty"`       // the base name of Source by default
	PieceSize int64  `json:"piece_size,omitempty"` // bytes, a power of two from 16 KiB to 16 MiB; 0 chooses
	// Checksum is "sha256:" + hex of what a file must have, "" for any.
	Checksum string `json:"checksum,omitempty"`
	// Headers are sent with the requests to a URL, such as credentials. They are
	// neither stored nor logged.
	Headers map[string]string `json:"headers,omitempty"`
	// Expect identifies the path as the client sees it, so that an agent on
	// another machine does not publish its own file of the same name.
	Expect *SourceIdentity `json:"expect,omitempty"`
}

// SourceState is what can be told of a remote source without moving it.
type SourceState struct {
	Source string `json:"source"` // as Artifact.Source shows it
	// Version changes when the source does: an ETag, the time of a change, or a
	// hash over the names, sizes and times of a path's files. "" if the server
	// tells nothing of the kind.
	Version   string `json:"version,omitempty"`
	SizeBytes int64  `json:"size_bytes"` // -1 if not known
}

// SourceIdentity names a file or directory of one boot of one machine.
type SourceIdentity struct {
	BootID string `json:"boot_id"` // /proc/sys/kernel/random/boot_id
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// Progress is the data of a server-sent event "progress".
type Progress struct {
	Stage string `json:"stage"`          // "hashing", "receiving", "downloading"
	Done  int64  `json:"done"`           // bytes
	Total int64  `json:"total"`          // bytes, 0 if not known yet
	Files int    `json:"files"`          // files done
	Rate  int64  `json:"rate,omitempty"` // bytes per second now, 0 if not known
}

// Info describes the answering agent.
type Info struct {
	Node       string   `json:"node"`
	Location   string   `json:"location"`
	Version    string   `json:"version"`
	APIVersion string   `json:"api_version"` // "v1"
	StoreOK    bool     `json:"store_ok"`
	CanPublish bool     `json:"can_publish"`
	Roots      []string `json:"roots"` // destinations must lie in one of these
}

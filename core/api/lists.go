package api

// Version is the version of the control interface, the first part of its paths.
const Version = "v1"

// NodeList answers GET /v1/nodes, sorted by name.
type NodeList struct {
	Nodes []Node `json:"nodes"`
}

// ArtifactList answers GET /v1/artifacts, sorted by name, then digest.
type ArtifactList struct {
	Artifacts []Artifact `json:"artifacts"`
}

// DistributionList answers GET /v1/distributions, sorted by name.
type DistributionList struct {
	Distributions []Distribution `json:"distributions"`
}

// ErrorBody is the body of every answer that is not a success, and the data of
// a server-sent event "error".
type ErrorBody struct {
	Error *Error `json:"error"`
}

// Names of server-sent events.
const (
	EventProgress = "progress" // data: Progress
	EventResult   = "result"   // data: Artifact; the last event
	EventStatus   = "status"   // data: Status
	EventError    = "error"    // data: ErrorBody; the last event
)

// Values of the query parameter "content" of DELETE /v1/distributions/{name}.
const (
	ContentRetain = "retain" // forget the distribution and leave the files
	ContentRemove = "remove" // remove the files from the nodes first
)

// StreamRequest describes content that a client sends: the query parameters of
// POST /v1/artifacts/stream.
type StreamRequest struct {
	Name      string
	Kind      string // "file": the body is its bytes; "tree": a tar stream
	Mode      uint32 // 07777, of a file; a tar stream has modes of its own
	PieceSize int64  // as in PublishRequest
	Checksum  string // as in PublishRequest
}

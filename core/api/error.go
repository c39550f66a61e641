package api

import "fmt"

// Error is what every failing call returns, and what a node reports of a
// distribution: what failed, on what, and what the user can do.
type Error struct {
	Code    string `json:"code"`              // stable, for programs: one of the Code constants
	Subject string `json:"subject,omitempty"` // the thing that is wrong: a path, a node, a field
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// Codes of errors.
const (
	CodeInvalid        = "invalid"            // the request does not parse or contradicts itself
	CodeNotFound       = "not_found"          // no such object
	CodeConflict       = "conflict"           // two distributions claim one path, or a changed object
	CodeForbidden      = "forbidden"          // the certificate's role does not allow it
	CodeNoTargets      = "no_targets"         // the selector matches nobody
	CodeInUse          = "in_use"             // a distribution needs the artifact
	CodeNoSpace        = "no_space"           // not enough space on the destination's filesystem
	CodeOutsideRoots   = "outside_roots"      // the destination is not inside an allowed root
	CodeForeignContent = "foreign_content"    // something rackswarm did not put there is at the path
	CodeUntrusted      = "untrusted"          // unsigned, or signed by a publisher who is not trusted
	CodeStoreDown      = "store_unreachable"  // the coordination store does not answer
	CodeSourceNotLocal = "source_not_local"   // the agent does not see the client's file: stream it
	CodeSourceUnsuited = "source_unsuited"    // a socket, a device, or a file that changes while it is read
	CodeCannotPublish  = "cannot_publish"     // the agent has no publisher key
	CodeSourceDown     = "source_unreachable" // a URL or another node does not give what is to be published
	CodeChecksum       = "checksum_mismatch"  // content that is not what the request says it is
	CodeRefused        = "refused"            // a hook did not let the content be switched to
	CodeQuota          = "quota"              // more than the node may keep for rackswarm
	CodeIO             = "io"                 // the filesystem returned an error
	CodeUnreachable    = "unreachable"        // no endpoint of the control interface answers
	CodeCanceled       = "canceled"           // the caller gave up, or its deadline passed
	CodeInternal       = "internal"

	// Of databases.
	CodeState       = "state"       // the database is not in a state for this, such as a primary to be replaced
	CodeUnsupported = "unsupported" // this version, architecture or layout
	CodeDriver      = "driver"      // the database's driver cannot be started, or its process ended
	CodeDenied      = "denied"      // the database, its primary or the system refuses credentials
	CodeCorrupt     = "corrupt"     // the engine's own check found damage
	CodeUnhealthy   = "unhealthy"   // the restored database did not come up, or does not follow
	CodePinLost     = "pin_lost"    // the log that restored replicas need is gone
	CodeNodeLost    = "node_lost"   // a node that takes part does not answer any more
	CodeAborted     = "aborted"     // somebody asked the run to end
)

// Error writes subject, message and fix in one line.
func (e *Error) Error() string {
	s := e.Message
	if e.Subject != "" {
		s = fmt.Sprintf("%s: %s", e.Subject, e.Message)
	}
	if e.Fix != "" {
		s += " (" + e.Fix + ")"
	}
	return s
}

// NoPublisherKey says that the agent that was asked publishes nothing.
func NoPublisherKey() *Error {
	return &Error{Code: CodeCannotPublish, Subject: "publish.key", Message: "this agent has no publisher key",
		Fix: "set publish.key in its configuration to the key that 'rackswarm pki init' wrote and restart it, or ask an agent that has one"}
}

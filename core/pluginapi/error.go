package pluginapi

// Codes of errors.
const (
	CodeInvalid     = "invalid"     // a setting is wrong
	CodeUnsupported = "unsupported" // this version, architecture or layout
	CodeState       = "state"       // the instance is not in a state for this
	CodeNoSpace     = "no_space"
	CodeCorrupt     = "corrupt"
	CodeUnreachable = "unreachable" // the instance or its primary does not answer; try again
	CodeRefused     = "refused"     // credentials or permissions
	CodeInternal    = "internal"
	CodeDriver      = "driver" // set by the agent, of the driver's process or program
)

// Error is what went wrong, on what, and what a person can do.
type Error struct {
	Code    string
	Subject string
	Message string
	Fix     string
}

// Error writes subject, message and fix in one line.
func (e *Error) Error() string {
	text := e.Message
	if e.Subject != "" {
		text = e.Subject + ": " + text
	}
	if e.Fix != "" {
		text += " (" + e.Fix + ")"
	}
	return text
}

// Package trace is the schema of the events that agent and simulator both
// write, so that a real run can be compared with a simulated one. A trace is one
// JSON object per line. Clocks of machines are not synchronised (requirement
// 50), so every line carries a logical clock besides the node's own time: it
// orders the events of one node, and announcements, which name peer and spans,
// are found in the traces of both sides. Agents on one machine do share a clock,
// and an anchor ties their times to it. The package is pure: it turns events into
// bytes and back, and the edge writes them.
package trace

package download

const (
	// maxStreams bounds how many connections one download has.
	maxStreams = 4
	// paying is by how much a further stream must speed up the whole to stay.
	paying = 1.2
)

// growth decides how many streams a download has: one more as long as that pays.
type growth struct {
	streams int
	before  int64 // bytes per period with one stream less
	young   bool  // a period has passed since the last change
	settled bool
}

// observe is told how much all streams brought in a period, and returns how many
// there shall be. The first period after a change does not count: connections
// take a while to become fast.
func (g *growth) observe(bytes int64) int {
	switch {
	case g.settled:
	case !g.young:
		g.young = true
	case g.streams > 1 && float64(bytes) < paying*float64(g.before):
		g.streams--
		g.settled = true
	case g.streams == maxStreams:
		g.settled = true
	default:
		g.before, g.young = bytes, false
		g.streams++
	}
	return g.streams
}

// refuse is called when a stream failed: the server may allow no more.
func (g *growth) refuse() {
	g.streams, g.settled = max(1, g.streams-1), true
}

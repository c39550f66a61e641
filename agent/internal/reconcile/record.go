package reconcile

import "github.com/rackswarm/rackswarm/core/api"

// Record is what this node remembers of a distribution: what it put where, and
// its last report. It is kept in the state directory, so that a restarted agent
// finds its placements again.
type Record struct {
	Name string `json:"name"`
	// Wanted is the distribution as it was when the last task began.
	Wanted api.Distribution `json:"wanted"`
	// Standing is what stands: the distribution as it was when its content was
	// installed. Nil until then.
	Standing *api.Distribution `json:"standing,omitempty"`
	// StandingBytes is the size of that content.
	StandingBytes int64 `json:"standing_bytes,omitempty"`
	// Leftover is what was begun at another path and never came to stand.
	Leftover *api.Distribution `json:"leftover,omitempty"`
	// Trial is what was switched to, or is about to be, while its hooks have not
	// passed: what stands may be that, and Standing is what then comes back.
	Trial *api.Distribution `json:"trial,omitempty"`
	// Refused is why what was wanted last does not stand.
	Refused *Refusal `json:"refused,omitempty"`
	// Kept is the digest of the version that stands by, and KeptBytes its size.
	Kept      string `json:"kept,omitempty"`
	KeptBytes int64  `json:"kept_bytes,omitempty"`
	// staged is what lies ready beside the destination. After a restart it is
	// staged again, which costs little.
	staged *api.Distribution
	// Drifted says that a check found damage that is not yet repaired.
	Drifted bool `json:"drifted,omitempty"`
	// Fetching says that peers have begun to give what this node did not have.
	Fetching bool `json:"fetching,omitempty"`
	// Removed says that the content was taken away on demand.
	Removed bool `json:"removed,omitempty"`
	// Verified is the VerifyGeneration that is done.
	Verified int64 `json:"verified,omitempty"`
	// Store is the identity of the store that last wanted the distribution here.
	Store  string         `json:"store,omitempty"`
	Status api.NodeStatus `json:"status"`
}

// begin notes the work that starts now.
func (r *Record) begin(d api.Distribution) {
	before := r.Wanted
	if !r.Removed && before.Path != "" && before.Path != d.Path && (r.Standing == nil || r.Standing.Path != before.Path) {
		r.Leftover = &before
	}
	r.Wanted, r.Removed = d, false
}

// paths returns where content of this record may stand.
func (r *Record) paths() []string {
	if r.Removed || r.Wanted.Path == "" {
		return nil
	}
	if r.Standing != nil && r.Standing.Path != r.Wanted.Path {
		return []string{r.Wanted.Path, r.Standing.Path}
	}
	return []string{r.Wanted.Path}
}

// installed returns the digest that stands where d wants it, as d wants it if it
// is d's digest; "" if nothing does.
func (r *Record) installed(d *api.Distribution) string {
	switch s := r.Standing; {
	case s == nil || r.Drifted || s.Path != d.Path:
		return ""
	case s.Digest == d.Digest && !sameOnDisk(s, d):
		return ""
	default:
		return s.Digest
	}
}

// sameOnDisk reports whether a and b ask for the same bytes and metadata at the
// same place.
func sameOnDisk(a, b *api.Distribution) bool {
	return a.SameContent(*b)
}

// sameRequest reports whether work for a is work for b too.
func sameRequest(a, b *api.Distribution) bool {
	return b != nil && sameOnDisk(a, b) && a.Overwrite == b.Overwrite
}

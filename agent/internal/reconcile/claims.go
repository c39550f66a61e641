package reconcile

import (
	"iter"
	"path"

	"github.com/rackswarm/rackswarm/core/api"
)

// claims is who holds which paths.
type claims struct {
	at    map[string]string // path → the distribution whose content is there
	above map[string]string // path → a distribution whose content lies inside it
}

func newClaims() *claims {
	return &claims{at: map[string]string{}, above: map[string]string{}}
}

// add claims a path, unless another distribution's is the same, contains it or
// lies inside it: then that one's name is returned.
func (c *claims) add(name, p string) (other string, taken bool) {
	p = path.Clean(p)
	if other, taken = c.above[p]; taken {
		return other, true
	}
	for up := range upward(p) {
		if other, taken = c.at[up]; taken {
			return other, true
		}
	}
	c.hold(name, p)
	return "", false
}

// addAll claims all paths, or reports false if one is taken.
func (c *claims) addAll(name string, paths []string) bool {
	for _, p := range paths {
		if other, taken := c.add(name, p); taken && other != name {
			return false
		}
	}
	return true
}

// hold notes that content of name stands at the path, whatever others claim.
func (c *claims) hold(name, p string) {
	p = path.Clean(p)
	c.at[p] = name
	for up := range upward(path.Dir(p)) {
		c.above[up] = name
	}
}

// upward yields a clean path and the directories that contain it, up to the top.
func upward(p string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(p) && path.Dir(p) != p {
			p = path.Dir(p)
		}
	}
}

func conflict(d *api.Distribution, other string) *api.Error {
	return &api.Error{
		Code:    api.CodeConflict,
		Subject: d.Path,
		Message: "distribution " + d.Name + " and distribution " + other + " claim this path on this node",
		Fix:     "give one of them another path, or selectors that do not share a node",
	}
}

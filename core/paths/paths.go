// Package paths compares paths as they are written. It is pure: it looks at no file
// and follows no link. Who cares about links resolves them before.
package paths

import "path/filepath"

// Inside reports whether p is the directory root, or lies anywhere below it, by their
// names alone: /srv/web is inside /srv, and /srvweb and /srv/../etc are not. Slashes
// at the end, doubled ones and "." do not matter, and every absolute path is inside
// "/". An absolute path is inside no relative one, and the other way round.
func Inside(root, p string) bool {
	rel, err := filepath.Rel(root, p)
	return err == nil && filepath.IsLocal(rel)
}

// Overlap reports whether two paths are the same, or one is Inside the other.
func Overlap(a, b string) bool { return Inside(a, b) || Inside(b, a) }

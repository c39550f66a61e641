// Package paths compares paths as they are written. It is pure: it looks at no file
// and follows no link. Who cares about links resolves them before.
package paths

import "path/filepath"

// Contains reports whether the directory root is p, or p lies anywhere below it, by their
// names alone: /srv contains /srv and /srv/web, but neither /srvweb nor /srv/../etc.
// Slashes at the end, doubled ones and "." do not matter, and "/" contains every absolute
// path. A relative path contains no absolute one, and the other way round.
func Contains(root, p string) bool {
	rel, err := filepath.Rel(root, p)
	return err == nil && filepath.IsLocal(rel)
}

// Overlap reports whether two paths are the same, or one Contains the other.
func Overlap(a, b string) bool { return Contains(a, b) || Contains(b, a) }

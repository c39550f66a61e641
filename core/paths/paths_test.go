package paths_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/paths"
)

func TestContains(t *testing.T) {
	for _, c := range []struct {
		root, p string
		want    bool
	}{
		{"/srv", "/srv", true},
		{"/srv", "/srv/web/a", true},
		{"/srv", "/srvweb", false},
		{"/srv", "/", false},
		{"/srv/web", "/srv", false},
		{"/srv/web", "/srv/db", false},

		{"/", "/", true},
		{"/", "/srv", true},

		{"/srv/", "/srv", true},
		{"/srv/", "/srv/web", true},
		{"/srv/", "/srvweb", false},
		{"/srv", "/srv/", true},
		{"/srv", "//srv//web", true},
		{"/srv/./web/..", "/srv/db", true},

		{"/srv", "/srv/../etc", false},
		{"/srv", "/srv/../srv/web", true},
		{"/srv", "/srv/..web", true},
		{"/", "/../srv", true},

		{"core", "core", true},
		{"core", "core/unit", true},
		{"core", "corelib", false},
		{".", "core", true},
		{".", "..", false},
		{"..", "../core", true},
		{"..", "../..", false},
		{"..", ".", false}, // what this directory is called is not known

		{"/srv", "srv", false},
		{"srv", "/srv", false},
		{"/", "srv", false},
		{".", "/srv", false},
	} {
		if got := paths.Contains(c.root, c.p); got != c.want {
			t.Errorf("Contains(%q, %q) = %v", c.root, c.p, got)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"/srv", "/srv/", true},
		{"/srv", "/srv/web", true},
		{"/", "/srv", true},
		{"/srv/web", "/srv/web2", false},
		{"/srv/web", "/srv/db", false},
		{"/srv", "srv", false},
	} {
		if paths.Overlap(c.a, c.b) != c.want || paths.Overlap(c.b, c.a) != c.want {
			t.Errorf("Overlap(%q, %q) = %v, and turned round %v", c.a, c.b, paths.Overlap(c.a, c.b), paths.Overlap(c.b, c.a))
		}
	}
}

// FuzzContains compares with what it means: the names that root consists of are the
// first ones of the path. What way leads from the one to the other says the same.
func FuzzContains(f *testing.F) {
	for _, p := range [][2]string{
		{"/", "/srv"}, {"/srv", "/srv/"}, {"/srv/", "/srvweb"}, {"/a/../b", "/b/c"}, {"", "a"}, {"..", "../.."}, {"/a", "/a/..b"},
	} {
		f.Add(p[0], p[1])
	}
	f.Fuzz(func(t *testing.T, root, p string) {
		contains := paths.Contains(root, p)
		rel, err := filepath.Rel(root, p)
		if leads := err == nil && rel != ".." && !strings.HasPrefix(rel, "../"); contains != leads {
			t.Errorf("Contains(%q, %q) = %v, and the way is %q, %v", root, p, contains, rel, err)
		}
		r, n := names("/"+root), names("/"+p)
		if begins := len(r) <= len(n) && strings.Join(n[:min(len(r), len(n))], "/") == strings.Join(r, "/"); paths.Contains("/"+root, "/"+p) != begins {
			t.Errorf("Contains(%q, %q) = %v, and the names are %q and %q", "/"+root, "/"+p, !begins, r, n)
		}
		if !paths.Contains(p, p) || !paths.Contains(p, filepath.Join(p, "x")) {
			t.Errorf("%q does not hold itself and what is in it", p)
		}
	})
}

// names are those that an absolute path consists of, none for "/".
func names(p string) []string {
	return strings.FieldsFunc(filepath.Clean(p), func(r rune) bool { return r == '/' })
}

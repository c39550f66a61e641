package architecture

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/paths"
)

// arrow says which packages of this module those in dir, and below it, may
// import: the allowed ones and those below them.
type arrow struct {
	dir     string
	allowed []string
}

var decisions = []string{"core/unit", "core/artifact", "core/topo"}

// arrows is read in order; the first that fits a package counts.
var arrows = []arrow{
	{"core/unit", nil},
	{"core/paths", nil},
	{"core/artifact", []string{"core/unit"}},
	{"core/topo", []string{"core/unit"}},
	{"core/wire", decisions},
	{"core/trace", decisions},
	{"core/overlay", decisions},
	{"core/bandwidth", decisions},
	{"core/swarm", decisions},
	{"core/node", append([]string{"core/wire", "core/trace", "core/overlay", "core/bandwidth", "core/swarm"}, decisions...)},
	{"core/yamlnode", nil},
	{"core/scenario", append([]string{"core/api", "core/yamlnode"}, decisions...)},
	{"core/sim", append([]string{"core/bandwidth", "core/node", "core/scenario", "core/overlay", "core/swarm", "core/wire", "core/trace"}, decisions...)},
	{"core/api", []string{"core/bandwidth", "core/topo", "core/unit"}},
	{"core/restore", []string{"core/api", "core/unit"}},
	{"core/client", []string{"core/api", "core/unit"}},
	{"core/store", []string{"core/api", "core/atomicfile", "core/pause", "core/overlay", "core/bandwidth", "core/artifact", "core/unit"}},
	{"core/atomicfile", nil},
	{"core/pause", nil},
	{"core/pluginapi/conformance", []string{"core/pluginapi", "core/pluginhost"}},
	{"core/pluginapi/skeleton", []string{"core/pluginapi"}},
	{"core/pluginapi", nil},
	{"core/pluginhost", []string{"core/pluginapi"}},
	{"core", []string{"core"}},
	{"agent", []string{"agent", "core"}},
	{"provider", []string{"provider", "core/client", "core/api", "core/unit", "core/paths"}},
	{"ansible-module", []string{"ansible-module", "core/client", "core/api", "core/unit"}},
	{"acceptance", []string{"acceptance", "core"}},
	{"scripts", []string{"scripts"}},
	{"tools", []string{"tools"}},
	{"examples", nil},
}

// against lists the imports of s, a file of the package in dir, that point
// against an arrow.
func against(dir string, s *source) []string {
	i := slices.IndexFunc(arrows, func(a arrow) bool { return paths.Contains(a.dir, dir) })
	if i < 0 {
		return []string{fmt.Sprintf("%s: package %s has no place in the architecture", s.name, dir)}
	}
	var found []string
	for _, importPath := range s.paths {
		target, ours := strings.CutPrefix(importPath, module)
		if !ours || paths.Contains(arrows[i].dir, target) {
			continue
		}
		if !slices.ContainsFunc(arrows[i].allowed, func(a string) bool { return paths.Contains(a, target) }) {
			found = append(found, fmt.Sprintf("%s: %s must not import %s", s.name, dir, target))
		}
	}
	return found
}

func TestImportsFollowTheArrows(t *testing.T) {
	files := 0
	for _, dir := range packageDirs(t) {
		for _, s := range sources(t, dir) {
			files++
			for _, what := range against(dir, s) {
				t.Error(what)
			}
		}
	}
	if files == 0 {
		t.Error("no Go file was found")
	}
}

// packageDirs returns the directories of the module that may hold packages,
// relative to its top.
func packageDirs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != top && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin" || exists(filepath.Join(path, "go.mod"))) {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(top, path)
		dirs = append(dirs, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// The check finds what it is there to find.
func TestImportsAgainstTheArrowsAreFound(t *testing.T) {
	for _, c := range []struct {
		dir, imported string
		ok            bool
	}{
		{"core/unit", "core/api", false},
		{"core/topo", "core/unit", true},
		{"core/topo", "core/artifact", false},
		{"core/overlay", "core/swarm", false},
		{"core/swarm", "core/bandwidth", false},
		{"core/swarm", "core/artifact", true},
		{"core/node", "core/overlay", true},
		{"core/node", "core/store", false},
		{"core/restore", "core/api", true},
		{"core/restore", "core/store", false},
		{"core/scenario", "core/topo", true},
		{"core/scenario", "core/node", false},
		{"core/store", "core/store/storetest", true},
		{"core/sim", "core/node", true},
		{"core/sim", "agent/internal/loop", false},
		{"core/client", "core/store", false},
		{"provider/internal/provider", "core/client", true},
		{"provider/internal/provider", "core/store", false},
		{"ansible-module", "agent/internal/cli", false},
		{"agent/internal/loop", "core/node", true},
		{"core/unity", "core/unit", true}, // below core, beside core/unit
		{"somewhere", "core/unit", false},
	} {
		s, err := parse("f.go", "package p\nimport _ \""+module+c.imported+"\"")
		if err != nil {
			t.Fatal(err)
		}
		if got := against(c.dir, s); (len(got) == 0) != c.ok {
			t.Errorf("%s importing %s: found %q", c.dir, c.imported, got)
		}
	}
}

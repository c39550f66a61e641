package architecture

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// pure are the packages whose code runs unchanged in the agent and in the
// simulator.
var pure = []string{
	"core/unit", "core/artifact", "core/topo", "core/wire", "core/trace",
	"core/overlay", "core/bandwidth", "core/swarm", "core/node", "core/restore",
	"core/scenario", "core/sim", "core/yamlnode", "core/paths",
}

// impureImports are import paths, with all below them, that a pure package has
// no use for.
var impureImports = []string{
	"net", "os", "sync", "log", "syscall", "context", "crypto/rand", "hash/maphash",
	"io/ioutil", "runtime", "plugin", "golang.org/x/sys",
}

// impureNames are what a pure package must not use of packages that it may
// import.
var impureNames = map[string][]string{
	"time":          {"Now", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Since", "Until"},
	"io/fs":         {"ReadFile", "ReadDir", "ReadLink", "Stat", "Lstat", "WalkDir", "Glob", "Sub"},
	"path/filepath": {"Abs", "EvalSymlinks", "Glob", "Walk", "WalkDir"},
}

// ownRandomness are the names of math/rand and math/rand/v2 that do not touch
// the global source.
var ownRandomness = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "NewSource", "Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf"}

// impurities lists what in s keeps it from being pure, one line each.
func impurities(s *source) []string {
	var found []string
	for _, importPath := range s.paths {
		for _, bad := range impureImports {
			if importPath == bad || strings.HasPrefix(importPath, bad+"/") {
				found = append(found, fmt.Sprintf("%s: imports %s", s.name, importPath))
			}
		}
	}
	if importPath, ok := s.imports["."]; ok {
		found = append(found, fmt.Sprintf("%s: imports %s without a name", s.name, importPath))
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if what := impurity(s, n); what != "" {
			found = append(found, fmt.Sprintf("%s: %s", s.at(n), what))
		}
		return true
	})
	return found
}

func impurity(s *source, n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "starts a goroutine"
	case *ast.SelectStmt:
		return "has a select statement"
	case *ast.ChanType:
		return "has a channel"
	case *ast.SendStmt:
		return "sends on a channel"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "receives from a channel"
		}
	case *ast.SelectorExpr:
		return impureUse(s.used(n))
	}
	return ""
}

func impureUse(importPath, name string) string {
	global := strings.HasPrefix(importPath+"/", "math/rand/") && !slices.Contains(ownRandomness, name)
	if global || slices.Contains(impureNames[importPath], name) {
		return fmt.Sprintf("uses %s.%s", importPath, name)
	}
	return ""
}

func TestPurePackagesArePure(t *testing.T) {
	for _, dir := range pure {
		files := sources(t, dir)
		if len(files) == 0 {
			t.Errorf("%s has no Go files; is the list of pure packages right?", dir)
		}
		for _, s := range files {
			for _, what := range impurities(s) {
				t.Error(what)
			}
		}
	}
}

// The check finds what it is there to find.
func TestImpuritiesAreFound(t *testing.T) {
	for code, want := range map[string]string{
		`import "net/http"; var _ = http.Get`:                         "imports net/http",
		`import "os"; func f() { os.Exit(1) }`:                        "imports os",
		`import "sync/atomic"; var _ atomic.Int32`:                    "imports sync/atomic",
		`import "log/slog"; func f() { slog.Info("") }`:               "imports log/slog",
		`import "crypto/rand"; var _ = rand.Reader`:                   "imports crypto/rand",
		`import "context"; var _ = context.Background`:                "imports context",
		`import . "time"; var _ = Now`:                                "imports time without a name",
		`import "time"; func f() { _ = time.Now() }`:                  "f.go:2: uses time.Now",
		`import clock "time"; var f = clock.Since`:                    "uses time.Since",
		`import "time"; func f() { time.AfterFunc(1, nil) }`:          "uses time.AfterFunc",
		`import "math/rand"; func f() int { return rand.Intn(3) }`:    "uses math/rand.Intn",
		`import "math/rand/v2"; func f() int { return rand.IntN(3) }`: "uses math/rand/v2.IntN",
		`import "io/fs"; func f(d fs.FS) { fs.ReadFile(d, "x") }`:     "uses io/fs.ReadFile",
		`import "path/filepath"; var _, _ = filepath.Abs("")`:         "uses path/filepath.Abs",
		`func f() { go f() }`:                                         "starts a goroutine",
		`func f() { select {} }`:                                      "has a select statement",
		`func f() { _ = make(chan int) }`:                             "has a channel",
		`type t struct{ c <-chan int }`:                               "has a channel",
		`func f[C any](c C) { g := func() { <-h }; g() }`:             "receives from a channel",
		`func f() { h <- 1 }`:                                         "sends on a channel",
		`import _ "os"; import _ "fmt"`:                               "imports os",
	} {
		s, err := parse("f.go", "package p\n"+code)
		if err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		if got := impurities(s); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s: found %q, want %q", code, got, want)
		}
	}
}

// The check lets pass what pure code does.
func TestPureCodePasses(t *testing.T) {
	for _, code := range []string{
		`import "time"; const d = 3 * time.Second; func f() time.Duration { return d }`,
		`import "math/rand/v2"; func f() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }`,
		`import "io/fs"; const m = fs.ModePerm`,
		`type clock struct{}; func (clock) Now() int { return 0 }; func f(time clock) int { return time.Now() }`,
		`import "io"; func f(r io.Reader) (int, error) { return r.Read(nil) }`,
	} {
		s, err := parse("f.go", "package p\n"+code)
		if err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		if got := impurities(s); len(got) > 0 {
			t.Errorf("%s: found %q", code, got)
		}
	}
}

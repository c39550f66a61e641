package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	top    = "../.." // from this package to the top of the module
	module = "github.com/rackswarm/rackswarm/"
)

// source is one parsed file and the packages that its identifiers name.
type source struct {
	name    string
	fset    *token.FileSet
	file    *ast.File
	imports map[string]string // local name to import path
	paths   []string          // every import path
}

var major = regexp.MustCompile(`^v[0-9]+$`)

// parse reads a file, from text if that is not nil.
func parse(name string, text any) (*source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, 0)
	if err != nil {
		return nil, err
	}
	s := &source{name: name, fset: fset, file: file, imports: map[string]string{}}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		s.imports[localName(spec, p)] = p
		s.paths = append(s.paths, p)
	}
	return s, nil
}

func localName(spec *ast.ImportSpec, importPath string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	if base := path.Base(importPath); !major.MatchString(base) {
		return base
	}
	return path.Base(path.Dir(importPath))
}

// used returns the import path and the name of pkg.Name, "" if n is no such
// expression.
func (s *source) used(n ast.Node) (importPath, name string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Obj != nil { // a variable that hides the package
		return "", ""
	}
	return s.imports[id.Name], sel.Sel.Name
}

func (s *source) at(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// sources parses the files of a package's directory, without its tests.
func sources(t *testing.T, dir string) []*source {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(top, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*source
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		s, err := parse(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

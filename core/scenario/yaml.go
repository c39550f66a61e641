package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// reader walks a YAML file. It collects what is wrong instead of stopping at the
// first error.
type reader struct {
	file     string
	problems []problem
}

// problem is an error and where in the file it is.
type problem struct {
	line, column int
	err          error
}

// field is a key that a mapping may have.
type field struct {
	name string
	read func(key string, value ast.Node)
}

// open parses the file's content and returns its one document, nil if it has
// none.
func (r *reader) open(text []byte) ast.Node {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range tree.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			r.fail(doc.Body, "", "keep one scenario in the file", "a second YAML document")
		default:
			body = doc.Body
		}
	}
	return body
}

func (r *reader) syntax(err error) {
	at, message := yamlnode.Syntax(err)
	r.add(at, "", "mend the YAML", "%s", message)
}

// fail notes that something is wrong with key at n.
func (r *reader) fail(n ast.Node, key, fix, format string, args ...any) {
	r.add(position(n), key, fix, format, args...)
}

func (r *reader) add(at *token.Position, key, fix, format string, args ...any) {
	subject := fmt.Sprintf("%s:%d:%d", r.file, at.Line, at.Column)
	if key != "" {
		subject += ": " + key
	}
	err := &api.Error{Code: api.CodeInvalid, Subject: subject, Message: fmt.Sprintf(format, args...), Fix: fix}
	r.problems = append(r.problems, problem{at.Line, at.Column, err})
}

// position is where n begins; of a mapping in block form, its first key.
func position(n ast.Node) *token.Position {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	return n.GetToken().Position
}

// err joins all that was found, in the order of the file; nil if nothing was.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	errs := make([]error, len(r.problems))
	for i, p := range r.problems {
		errs[i] = p.err
	}
	return errors.Join(errs...)
}

// sound calls check if read finds nothing wrong: what is missing then is not what
// could not be read.
func (r *reader) sound(read, check func()) {
	before := len(r.problems)
	read()
	if len(r.problems) == before {
		check()
	}
}

// mapping reads the fields of a mapping, in the order of fields: what a later
// one refers to is known by then. A key without a value counts as absent.
func (r *reader) mapping(key string, n ast.Node, fields []field) {
	m, ok := n.(ast.MapNode)
	if !ok {
		r.fail(n, key, "write key: value for "+names(fields), "a mapping is expected here, not %s", yamlnode.Form(n))
		return
	}
	values := map[string]ast.Node{}
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			r.fail(it.Key(), join(key, it.Key().GetToken().Value), "the keys here are "+names(fields), "unknown key")
			continue
		}
		if _, null := it.Value().(*ast.NullNode); !null {
			values[name] = it.Value()
		}
	}
	for _, f := range fields {
		if value, ok := values[f.name]; ok {
			f.read(join(key, f.name), value)
		}
	}
}

func names(fields []field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return strings.Join(all, ", ")
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// list reads a sequence, each entry under the key's name and its number.
func (r *reader) list(key string, n ast.Node, read func(key string, value ast.Node)) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(n, key, "write a list, such as [a, b]", "a list is expected here, not %s", yamlnode.Form(n))
		return
	}
	for i, value := range seq.Values {
		read(fmt.Sprintf("%s[%d]", key, i+1), value)
	}
}

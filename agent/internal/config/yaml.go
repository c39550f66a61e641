package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// assign is a setting with the value that was written for it.
type assign struct {
	setting setting
	where   string
	value   raw
}

// document reads one YAML file. It collects what it finds instead of stopping at
// the first error.
type document struct {
	file    string
	seen    map[string]string // key to where it was set
	assigns []assign
	errs    []error
}

// checkSyntax looks whether a file's content is YAML at all.
func checkSyntax(file string, data []byte) error {
	if _, err := parser.ParseBytes(data, 0); err != nil {
		return (&document{file: file}).syntax(err)
	}
	return nil
}

// parseYAML returns the settings in a file's content and everything that is
// wrong with its form. No error repeats a value, as it may be a secret.
func parseYAML(file string, data []byte) ([]assign, []error) {
	d := &document{file: file, seen: map[string]string{}}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, []error{d.syntax(err)}
	}
	for i, doc := range tree.Docs {
		switch {
		case doc.Body == nil:
		case i > 0:
			d.fail(doc.Body, "", "keep one document in the file", "a second YAML document")
		default:
			d.section("", doc.Body)
		}
	}
	return d.assigns, d.errs
}

func (d *document) syntax(err error) error {
	const fix = "mend the YAML; rackswarm agent --print-config shows an example"
	at, message := yamlnode.Syntax(err)
	return problem(fmt.Sprintf("%s:%d:%d", d.file, at.Line, at.Column), "", fix, "%s", message)
}

func (d *document) where(n ast.Node) string {
	pos := n.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", d.file, pos.Line, pos.Column)
}

func (d *document) fail(n ast.Node, key, fix, format string, args ...any) {
	d.errs = append(d.errs, problem(d.where(n), key, fix, format, args...))
}

// section reads the keys below prefix, "" for the top of the file.
func (d *document) section(prefix string, n ast.Node) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.fail(n, strings.TrimSuffix(prefix, "."), "write one key: value per line, indented below its section", "a section of settings is expected here")
		return
	}
	for it := m.MapRange(); it.Next(); {
		name, ok := d.key(it.Key())
		if ok {
			d.entry(prefix+name, it.Key(), it.Value())
		}
	}
}

// key returns the name that a key's node stands for.
func (d *document) key(n ast.MapKeyNode) (string, bool) {
	s, ok := n.(*ast.StringNode)
	if !ok {
		d.fail(n, "", "use only the keys that rackswarm agent --print-config shows", "not the name of a setting")
		return "", false
	}
	return s.Value, true
}

func (d *document) entry(key string, at ast.MapKeyNode, value ast.Node) {
	if first, twice := d.seen[key]; twice {
		d.fail(at, key, "keep one of the two", "was set before, at %s", first)
		return
	}
	d.seen[key] = d.where(at)
	if _, null := value.(*ast.NullNode); null && (isSection(key) || known(key)) {
		return // nothing written: the default stands
	}
	if isSection(key) {
		d.section(key+".", value)
		return
	}
	s, ok := find(key)
	if !ok {
		d.errs = append(d.errs, unknown(d.where(at), key))
		return
	}
	if v, ok := d.value(s, value); ok {
		d.assigns = append(d.assigns, assign{s, d.where(value), v})
	}
}

func known(key string) bool {
	_, ok := find(key)
	return ok
}

func unknown(where, key string) error {
	fix := "remove it; rackswarm agent --print-config shows all settings"
	if near, ok := nearest(key); ok {
		fix = "did you mean " + near + "? " + "Otherwise " + fix
	}
	return problem(where, key, fix, "unknown setting")
}

// value reads what was written for a setting, in the form that its kind asks.
func (d *document) value(s setting, n ast.Node) (raw, bool) {
	switch s.kind {
	case kindBool:
		if b, ok := n.(*ast.BoolNode); ok {
			return raw{flag: b.Value}, true
		}
	case kindText:
		if t, ok := yamlnode.Scalar(n); ok {
			return raw{text: t}, true
		}
	case kindList:
		if seq, ok := n.(*ast.SequenceNode); ok {
			return d.list(s, seq)
		}
	case kindLabels:
		if m, ok := n.(ast.MapNode); ok {
			return d.labels(s, m)
		}
	case kindHooks:
		if m, ok := n.(ast.MapNode); ok {
			return d.hooks(s, m)
		}
	case kindDatabases:
		if m, ok := n.(ast.MapNode); ok {
			return d.databases(s, m)
		}
	case kindLinks:
		if m, ok := n.(ast.MapNode); ok {
			return d.links(s, m)
		}
	case kindDevices:
		if m, ok := n.(ast.MapNode); ok {
			return d.devices(s, m)
		}
	}
	d.fail(n, s.key, writeForm(s), "must be %v, not %s", s.kind, yamlnode.Form(n))
	return raw{}, false
}

func (d *document) list(s setting, seq *ast.SequenceNode) (raw, bool) {
	v := raw{list: []string{}}
	for _, n := range seq.Values {
		t, ok := yamlnode.Scalar(n)
		if !ok {
			d.fail(n, s.key, writeForm(s), "every entry must be a text, not %s", yamlnode.Form(n))
			return raw{}, false
		}
		v.list = append(v.list, t)
	}
	return v, true
}

func (d *document) labels(s setting, m ast.MapNode) (raw, bool) {
	v := raw{labels: map[string]string{}}
	for it := m.MapRange(); it.Next(); {
		k, okKey := yamlnode.Scalar(it.Key())
		t, okValue := yamlnode.Scalar(it.Value())
		if !okKey || !okValue {
			d.fail(it.Key(), s.key, writeForm(s), "every entry must be a text; quote true, false and null")
			return raw{}, false
		}
		v.labels[k] = t
	}
	return v, true
}

func writeForm(s setting) string {
	switch {
	case s.fix != "":
		return s.fix
	case s.kind == kindBool:
		return "write true or false"
	case s.kind == kindList:
		return "write [a, b]"
	case s.kind == kindLabels:
		return "write {key: value}"
	}
	return "write a text, in quotes if need be"
}

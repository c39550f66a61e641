package yamlnode_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// values are those of a mapping, by key.
func values(t *testing.T, text string) map[string]ast.Node {
	t.Helper()
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]ast.Node{}
	for it := tree.Docs[0].Body.(ast.MapNode).MapRange(); it.Next(); {
		all[it.Key().GetToken().Value] = it.Value()
	}
	return all
}

func TestScalarAndForm(t *testing.T) {
	const text = `
plain: a b
quoted: "true"
whole: 0012
part: 1.50
block: |
  x
flag: true
none: null
empty:
list: [1]
map: {a: 1}
anchor: &x y
alias: *x
tag: !!str 1
inf: .inf
nan: .nan
`
	for key, want := range map[string]struct{ scalar, form string }{
		"plain": {"a b", "a text or number"}, "quoted": {"true", "a text or number"}, "whole": {"0012", "a text or number"},
		"part": {"1.50", "a text or number"}, "block": {"x\n", "a text or number"},
		"flag": {"", "true or false"}, "none": {"", "nothing"}, "empty": {"", "nothing"}, "list": {"", "a list"}, "map": {"", "a mapping"},
		"anchor": {"", "an anchor, alias or tag"}, "alias": {"", "an anchor, alias or tag"}, "tag": {"", "an anchor, alias or tag"},
		"inf": {"", "infinity or no number"}, "nan": {"", "infinity or no number"},
	} {
		n := values(t, text)[key]
		if got, ok := yamlnode.Scalar(n); got != want.scalar || ok != (want.scalar != "") {
			t.Errorf("%s: the text is %q, %v", key, got, ok)
		}
		if got := yamlnode.Form(n); got != want.form {
			t.Errorf("%s is %s, want %s", key, got, want.form)
		}
	}
}

// Where a file is not YAML is named, and no value repeated.
func TestSyntax(t *testing.T) {
	for text, line := range map[string]int{"a: [": 1, "a: 1\npassword: hunter2: x": 2, "a: 1\na: hunter2": 2} {
		_, err := parser.ParseBytes([]byte(text), 0)
		at, message := yamlnode.Syntax(err)
		if at.Line != line || !strings.HasPrefix(message, "not YAML: ") || strings.Contains(message, "hunter2") {
			t.Errorf("%q: %d:%d: %s", text, at.Line, at.Column, message)
		}
	}
	if at, message := yamlnode.Syntax(errors.New("hunter2")); at.Line != 1 || at.Column != 1 || message != "not YAML" {
		t.Errorf("another error: %v: %s", at, message)
	}
}

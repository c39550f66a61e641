// Package yamlnode tells what stands in the nodes of a YAML file, for those who read
// one node by node, so as to name the place of each error. What it says repeats no
// value, as that may be a secret. It is pure.
package yamlnode

import (
	"errors"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Scalar returns the text of a plain or quoted scalar; false for anything else, such
// as true, null or a list. Numbers are taken as they were written.
func Scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// Form names what a node is, for messages.
func Form(n ast.Node) string {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode, *ast.TagNode:
		return "an anchor, alias or tag"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	case *ast.NullNode:
		return "nothing"
	case *ast.InfinityNode, *ast.NanNode:
		return "infinity or no number"
	}
	return "a text or number"
}

// Syntax says where a file is not YAML, and why, of an error of the parser: at its
// beginning if the error does not know.
func Syntax(err error) (at *token.Position, message string) {
	e, ok := errors.AsType[yaml.Error](err)
	if !ok || e.GetToken() == nil {
		return &token.Position{Line: 1, Column: 1}, "not YAML"
	}
	return e.GetToken().Position, "not YAML: " + e.GetMessage()
}

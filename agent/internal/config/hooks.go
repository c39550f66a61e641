package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

const hookFix = `write {name: {command: [/usr/local/bin/drain, --now], timeout: 30s, user: www-data}}; timeout and user may be left out`

func hooks() setting {
	return setting{"hooks", kindHooks, hookFix, func(c *Config, r raw) error {
		c.Hooks = r.hooks
		return nil
	}, func(c *Config) string {
		var all []string // without arguments, which may hold secrets
		for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
			all = append(all, name+"="+c.Hooks[name].Argv[0])
		}
		return strings.Join(all, ",")
	}}
}

// hooks reads a mapping of hooks by name.
func (d *document) hooks(s setting, m ast.MapNode) (raw, bool) {
	all, good := byName(d, s, "hook", m, d.hook)
	return raw{hooks: all}, good
}

// byName reads a mapping from names to mappings, each by read, which gets the
// key for errors; false if something is wrong.
func byName[T any](d *document, s setting, kind string, m ast.MapNode, read func(key string, at ast.Node, body ast.MapNode) (T, bool)) (map[string]T, bool) {
	all, good := map[string]T{}, true
	for it := m.MapRange(); it.Next(); {
		name, isText := yamlnode.Scalar(it.Key())
		body, isMap := it.Value().(ast.MapNode)
		if !isText || !isMap {
			d.fail(it.Key(), s.key, s.fix, "every %s needs a name and a mapping of its settings", kind)
			good = false
			continue
		}
		v, ok := read(s.key+"."+name, it.Key(), body)
		all[name] = v
		good = good && ok
	}
	return all, good
}

func (d *document) hook(key string, at ast.Node, m ast.MapNode) (hook.Command, bool) {
	c := hook.Command{Timeout: hook.DefaultTimeout}
	good := true
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		if err := d.hookField(&c, name, it.Value()); err != nil {
			d.fail(it.Key(), key+"."+name, hookFix, "%v", err)
			good = false
		}
	}
	if good && len(c.Argv) == 0 {
		d.fail(at, key+".command", hookFix, "not set")
		return c, false
	}
	return c, good
}

func (d *document) hookField(c *hook.Command, name string, n ast.Node) error {
	text, isText := yamlnode.Scalar(n)
	switch seq, isList := n.(*ast.SequenceNode); {
	case name == "command" && isList:
		for _, part := range seq.Values {
			arg, ok := yamlnode.Scalar(part)
			if !ok {
				return fmt.Errorf("every part must be a text, not %s", yamlnode.Form(part))
			}
			c.Argv = append(c.Argv, arg)
		}
	case name == "timeout" && isText:
		var err error
		c.Timeout, err = parseInterval(text)
		return err
	case name == "user" && isText:
		c.User = text
	case name == "command" || name == "timeout" || name == "user":
		return fmt.Errorf("cannot be %s", yamlnode.Form(n))
	default:
		return errors.New("unknown setting")
	}
	return nil
}

// parseMapping reads the text of a variable for hooks, databases, links or devices,
// which is a YAML mapping as in the file.
func parseMapping(s setting, text string) (raw, error) {
	if strings.TrimSpace(text) == "" {
		return raw{hooks: hook.Set{}, databases: map[string]Database{}, links: map[unit.Location]links.Link{}, devices: map[string]Device{}}, nil
	}
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(tree.Docs) != 1 {
		return raw{}, errors.New("is not a YAML mapping")
	}
	body := tree.Docs[0].Body
	if _, ok := body.(ast.MapNode); !ok {
		return raw{}, errors.New("is not a YAML mapping")
	}
	d := &document{file: s.variable()}
	v, ok := d.value(s, body)
	if !ok {
		return raw{}, errors.Join(d.errs...)
	}
	return v, nil
}

func (v *validator) hooks() {
	for _, name := range slices.Sorted(maps.Keys(v.c.Hooks)) {
		v.hook("hooks", name, v.c.Hooks[name])
	}
}

func (v *validator) hook(key, name string, c hook.Command) {
	program := c.Argv[0]
	info, err := os.Stat(program)
	switch {
	case !isName(name):
		v.fail(key, "use letters, digits, '.', '_' and '-'", "%q is not a name of a hook", name)
	case !filepath.IsAbs(program):
		v.fail(key, "write the program's whole path, from / on", "command of %s: %q is not absolute", name, program)
	case err != nil:
		v.fail(key, "check the path", "command of %s: %v", name, err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		v.fail(key, "make it executable: chmod +x "+program, "command of %s: %s is not a program", name, program)
	case c.Timeout < time.Second || c.Timeout > time.Hour:
		v.fail(key, "write 1s to 1h", "timeout of %s: %v is not in 1s to 1h", name, c.Timeout)
	}
	if c.User == "" {
		return
	}
	who, err := hook.Credential(c.User)
	switch me := os.Geteuid(); {
	case err != nil:
		v.fail(key, "create the user, or leave user out", "user of %s: %v", name, err)
	case me != 0 && uint32(me) != who.Uid:
		v.fail(key, "run the agent as root, or leave user out", "user of %s: the agent may run nothing as %s", name, c.User)
	}
}

func isName(name string) bool {
	_, err := unit.ParseNodeID(name)
	return err == nil
}

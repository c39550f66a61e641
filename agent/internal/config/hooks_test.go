package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
)

func TestHooks(t *testing.T) {
	want := hook.Set{
		"drain": {Argv: []string{"/usr/bin/drain", "--wait", "30"}, Timeout: 2 * time.Minute},
		"check": {Argv: []string{"/bin/true"}, Timeout: hook.DefaultTimeout, User: "www-data"},
	}
	const text = "hooks:\n  drain:\n    command: [/usr/bin/drain, --wait, 30]\n    timeout: 2m\n  check: {command: [/bin/true], user: www-data}\n"
	c, failed, err := parse("a.yaml", []byte(text), nil)
	if err != nil || len(failed) != 0 || !reflect.DeepEqual(c.Hooks, want) {
		t.Errorf("from a file: %+v, %v", c.Hooks, err)
	}
	variable := "RACKSWARM_HOOKS={drain: {command: [/usr/bin/drain, --wait, 30], timeout: 2m}, check: {command: [/bin/true], user: www-data}}"
	c, failed, err = parse("", nil, []string{variable})
	if err != nil || len(failed) != 0 || !reflect.DeepEqual(c.Hooks, want) {
		t.Errorf("from a variable: %+v, %v", c.Hooks, err)
	}
	for _, s := range c.Settings() {
		if s.Key == "hooks" && s.Value != "check=/bin/true,drain=/usr/bin/drain" {
			t.Errorf("shown as %q", s.Value)
		}
	}
}

func TestHooksThatAreWrittenWrong(t *testing.T) {
	for _, c := range []struct{ text, subject, message string }{
		{"hooks: [a]", "a.yaml:1:8: hooks", "must be a mapping of hooks, not a list"},
		{"hooks:\n  drain: /bin/true", "a.yaml:2:3: hooks", "a mapping of its settings"},
		{"hooks:\n  drain: {timeout: 3s}", "a.yaml:2:3: hooks.drain.command", "not set"},
		{"hooks:\n  drain: {command: /bin/true}", "a.yaml:2:11: hooks.drain.command", "cannot be a text"},
		{"hooks:\n  drain: {command: [/bin/true], timeout: soon}", "a.yaml:2:33: hooks.drain.timeout", "not a duration"},
		{"hooks:\n  drain: {command: [/bin/true], shell: sh}", "a.yaml:2:33: hooks.drain.shell", "unknown setting"},
	} {
		_, _, err := parse("a.yaml", []byte(c.text), nil)
		all := problems(t, err)
		if len(all) != 1 || all[0].Subject != c.subject || !strings.Contains(all[0].Message, c.message) || all[0].Fix == "" {
			t.Errorf("%q: %+v", c.text, err)
		}
	}
}

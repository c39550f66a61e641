package module

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// reader takes options out of the task's arguments. Binary modules get them as
// the playbook wrote them, so "yes", 1 and true are all a yes. The first
// mistake is kept.
type reader struct {
	args  map[string]json.RawMessage
	asked []string // the options there are
	err   error
}

func mistake(option, message, fix string) error {
	return &api.Error{Code: api.CodeInvalid, Subject: option, Message: message, Fix: fix}
}

func (r *reader) fail(option, message, fix string) {
	if r.err == nil {
		r.err = mistake(option, message, fix)
	}
}

// take removes an option; false if it is absent or null.
func (r *reader) take(option string, into any) bool {
	r.asked = append(r.asked, option)
	raw, ok := r.args[option]
	delete(r.args, option)
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		r.fail(option, fmt.Sprintf("%s has the wrong type", raw), err.Error())
		return false
	}
	return true
}

// text reads a string, or a number as it is written.
func (r *reader) text(option string) string {
	var v any
	if !r.take(option, &v) {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	r.fail(option, fmt.Sprintf("%v is not a text", v), "write a single word")
	return ""
}

// mode reads an octal mode. YAML reads an unquoted 0644 as the number 420.
func (r *reader) mode(option string) string {
	var v any
	if !r.take(option, &v) {
		return ""
	}
	mode, ok := v.(string)
	if !ok {
		r.fail(option, fmt.Sprintf("%v is a number", v), `quote it: mode: "0644"`)
	}
	return mode
}

func (r *reader) choice(option string, allowed ...string) string {
	v := r.text(option)
	if v == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, v) {
		r.fail(option, fmt.Sprintf("%q is not a %s", v, option), "write one of "+strings.Join(allowed, ", "))
	}
	return v
}

func (r *reader) flag(option string, otherwise bool) bool {
	var v any
	if !r.take(option, &v) {
		return otherwise
	}
	switch strings.ToLower(fmt.Sprint(v)) {
	case "true", "yes", "on", "1", "y", "t":
		return true
	case "false", "no", "off", "0", "n", "f":
		return false
	}
	r.fail(option, fmt.Sprintf("%v is neither true nor false", v), "write true or false")
	return otherwise
}

// list reads a list of strings, or one string with commas.
func (r *reader) list(option string) []string {
	var v any
	if !r.take(option, &v) {
		return nil
	}
	if s, ok := v.(string); ok {
		return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' })
	}
	return r.texts(option, v)
}

// texts are the elements of a list, which must be strings.
func (r *reader) texts(option string, v any) (all []string) {
	items, ok := v.([]any)
	for _, item := range items {
		s, isText := item.(string)
		ok = ok && isText
		all = append(all, s)
	}
	if !ok {
		r.fail(option, fmt.Sprintf("%v is not a list of texts", v), "write for example [ams1, ams2/rsn-27]")
	}
	return all
}

// lines reads a list of strings that may have spaces and commas, or one of them.
func (r *reader) lines(option string) []string {
	var v any
	if !r.take(option, &v) {
		return nil
	}
	if s, ok := v.(string); ok {
		return []string{s}
	}
	return r.texts(option, v)
}

// ceiling reads a rate above zero; nil is none.
func (r *reader) ceiling(option string) *int64 {
	text := r.text(option)
	if text == "" {
		return nil
	}
	n, err := api.ParseCeiling(option, text)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n
}

// labels reads a map; values that are numbers or booleans are taken as text.
func (r *reader) labels(option string) map[string]string {
	var raw map[string]any
	if !r.take(option, &raw) || len(raw) == 0 {
		return nil
	}
	labels := map[string]string{}
	for k, v := range raw {
		switch v.(type) {
		case string, float64, bool:
			labels[k] = fmt.Sprint(v)
		default:
			r.fail(option, fmt.Sprintf("label %s is not a text", k), "write for example {role: web}")
		}
	}
	return labels
}

func (r *reader) seconds(option string, otherwise time.Duration) time.Duration {
	text := r.text(option)
	if text == "" {
		return otherwise
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || s <= 0 || s > 1e6 {
		r.fail(option, fmt.Sprintf("%q is not a number of seconds", text), "write for example 600")
	}
	return time.Duration(s * float64(time.Second))
}

// refuseUnknown fails if options are left; those of Ansible itself are ignored.
func (r *reader) refuseUnknown() {
	var unknown []string
	for option := range r.args {
		if !ofAnsible(option) {
			unknown = append(unknown, option)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		known := slices.DeleteFunc(slices.Sorted(slices.Values(r.asked)), ofAnsible)
		r.fail(unknown[0], "is not an option of this module", "remove it; the options are "+strings.Join(known, ", "))
	}
}

func ofAnsible(option string) bool { return strings.HasPrefix(option, "_ansible_") }

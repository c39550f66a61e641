package provider

import (
	"errors"
	"regexp"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/rackswarm/rackswarm/core/api"
)

// locate finds the attribute that an error's subject names.
type locate func(subject string) (path.Path, bool)

// nowhere is for errors that no attribute causes.
func nowhere(string) (path.Path, bool) { return path.Empty(), false }

// under blames one attribute whatever the subject.
func under(p path.Path) locate { return func(string) (path.Path, bool) { return p, true } }

// addError adds err, of the thing called subject unless the error names its own:
// the subject as the summary, message and fix as the detail.
func addError(diags *diag.Diagnostics, subject string, err error, at locate) {
	summary, detail, p := describe(subject, err, at)
	if p == nil {
		diags.AddError(summary, detail)
		return
	}
	diags.AddAttributeError(*p, summary, detail)
}

// addWarning is addError for what does not fail.
func addWarning(diags *diag.Diagnostics, subject string, err error) {
	summary, detail, _ := describe(subject, err, nowhere)
	diags.AddWarning(summary, detail)
}

func describe(subject string, err error, at locate) (summary, detail string, p *path.Path) {
	var e *api.Error
	if !errors.As(err, &e) {
		return subject, err.Error(), nil
	}
	if e.Subject != "" {
		if found, ok := at(e.Subject); ok {
			p = &found
		}
		subject = e.Subject
	}
	return subject, text(e), p
}

// text is what an error says besides its subject.
func text(e *api.Error) string {
	if e.Fix == "" {
		return e.Message
	}
	return e.Message + "\n\nTo fix it: " + e.Fix
}

// fields maps what the control interface calls its fields to attributes.
var fields = map[string]string{
	"name": "name", "digest": "artifact_digest", "path": "path",
	"owner": "owner", "group": "group", "mode": "mode", "piece_size": "piece_size",
	"activate": "activate", "keep_previous": "keep_previous",
	"priority": "priority", "max_download": "max_download", "max_upload": "max_upload", "windows": "windows", "time_zone": "time_zone",
}

var windowField = regexp.MustCompile(`^windows\[(\d{1,4})\]$`)

var nestedField = regexp.MustCompile(`^(selector|hooks)(?:\.(locations|labels|node_names|before|after)(?:\[\d+\])?)?$`)

// field finds the attribute of a field, such as "selector.locations[1]".
// Elements of sets have no path of their own.
func field(subject string) (path.Path, bool) {
	if name, ok := fields[subject]; ok {
		return path.Root(name), true
	}
	if m := windowField.FindStringSubmatch(subject); m != nil {
		i, err := strconv.Atoi(m[1])
		return path.Root("windows").AtListIndex(i), err == nil
	}
	m := nestedField.FindStringSubmatch(subject)
	switch {
	case m == nil:
		return path.Empty(), false
	case m[2] == "":
		return path.Root(m[1]), true
	}
	return path.Root(m[1]).AtName(m[2]), true
}

func hasCode(err error, code string) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == code
}

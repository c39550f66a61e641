package provider

import (
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/rackswarm/rackswarm/core/api"
)

// Errors are located at the attribute that their subject names.
func TestErrorsHaveAnAttribute(t *testing.T) {
	for _, c := range []struct {
		subject string
		want    path.Path
	}{
		{"path", path.Root("path")},
		{"digest", path.Root("artifact_digest")},
		{"selector", path.Root("selector")},
		{"selector.locations[3]", path.Root("selector").AtName("locations")},
		{"selector.labels", path.Root("selector").AtName("labels")},
		{"windows[2]", path.Root("windows").AtListIndex(2)},
		{"max_download", path.Root("max_download")},
		{"web1", path.Empty()},
		{"selector.other", path.Empty()},
	} {
		var diags diag.Diagnostics
		addError(&diags, "site", &api.Error{Code: api.CodeInvalid, Subject: c.subject, Message: "is wrong", Fix: "do better"}, field)
		got := path.Empty()
		if d, ok := diags[0].(diag.DiagnosticWithPath); ok {
			got = d.Path()
		}
		if !got.Equal(c.want) || diags[0].Summary() != c.subject || !strings.Contains(diags[0].Detail(), "do better") {
			t.Errorf("%s: at %s: %v", c.subject, got, diags[0])
		}
	}
}

func TestErrorsOfOthers(t *testing.T) {
	var diags diag.Diagnostics
	addError(&diags, "site", errors.New("a surprise"), field)
	addWarning(&diags, "site", &api.Error{Message: "no subject"})
	if diags[0].Summary() != "site" || diags[0].Detail() != "a surprise" || diags[1].Summary() != "site" || diags[1].Detail() != "no subject" {
		t.Errorf("%v", diags)
	}
}

// Without an answer a refresh keeps the state only if told so.
func TestKeepState(t *testing.T) {
	for _, c := range []struct {
		code     string
		tolerant bool
		want     bool
	}{
		{api.CodeUnreachable, true, true}, {api.CodeStoreDown, true, true}, {api.CodeUnreachable, false, false}, {api.CodeForbidden, true, false},
	} {
		conn := connection{tolerant: c.tolerant}
		if got := conn.keepState(&api.Error{Code: c.code}); got != c.want {
			t.Errorf("%s, tolerant %v: %v", c.code, c.tolerant, got)
		}
	}
}

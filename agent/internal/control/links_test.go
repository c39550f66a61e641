package control_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// linkCall sends a request about the link of ams1/r1 as a program would, and returns the
// answer's status.
func (f *fleet) linkCall(method, was string) int {
	f.Helper()
	path := "/v1/links/" + url.PathEscape("ams1/r1")
	if was != "" {
		path += "?" + url.Values{"was": {was}}.Encode()
	}
	body := ""
	if method == http.MethodPut {
		body = `{"up":1000000}`
	}
	status, _ := f.raw(method, path, body)
	return status
}

// What a link was said to carry is replaced and taken back by who has read what counts.
func TestALinkIsChangedByWhoHasReadIt(t *testing.T) {
	f := serve(t, nil)
	said := func() *store.LinkRecord {
		a, err := f.store.AskLinks(f.ctx, store.LinkQuery{All: true})
		f.must(err)
		return a.Facts["ams1/r1"].Record
	}
	var first string
	for i, step := range []struct {
		method, was string
		want        int
		then        func()
	}{
		{http.MethodPut, "yesterday", http.StatusBadRequest, nil},
		{http.MethodDelete, "yesterday", http.StatusBadRequest, nil},
		{http.MethodDelete, "nothing", http.StatusNotFound, nil},
		{http.MethodDelete, "", http.StatusNotFound, nil},
		{http.MethodPut, "2020-01-01T00:00:00Z", http.StatusConflict, nil},
		{http.MethodPut, "nothing", http.StatusOK, func() { first = said().At.Format(time.RFC3339Nano) }},
		{http.MethodPut, "nothing", http.StatusConflict, nil},
		{http.MethodPut, "first", http.StatusOK, nil},
		{http.MethodPut, "first", http.StatusConflict, nil},
		{http.MethodDelete, "first", http.StatusConflict, nil},
		{http.MethodDelete, "nothing", http.StatusConflict, nil},
		{http.MethodDelete, "now", http.StatusNoContent, nil},
		{http.MethodPut, "first", http.StatusConflict, nil},
		{http.MethodPut, "", http.StatusOK, nil},
		{http.MethodDelete, "", http.StatusNoContent, nil},
	} {
		was := step.was
		switch was {
		case "first":
			was = first
		case "now":
			was = said().At.Format(time.RFC3339Nano)
		}
		before := said()
		if got := f.linkCall(step.method, was); got != step.want {
			t.Errorf("step %d, %s of what was said %q: %d, want %d", i, step.method, step.was, got, step.want)
		}
		if after := said(); step.want >= 400 && (before == nil) != (after == nil) || step.want >= 400 && before != nil && !before.At.Equal(after.At) {
			t.Errorf("step %d is refused, and has changed %+v to %+v", i, before, after)
		}
		if step.then != nil {
			step.then()
		}
	}
}

// What the store does not know, as it lost its data, is taken back if the asked agent goes by
// a measurement of it, or warns of it; what nobody knows is not found.
func TestALinkThatOnlyTheAgentKnowsIsForgotten(t *testing.T) {
	down := errors.New("no links")
	for name, c := range map[string]struct {
		list func(context.Context) (api.LinkList, error) // nil for none
		want string                                      // the error's code
	}{
		"no list":             {nil, api.CodeNotFound},
		"a list that is none": {func(context.Context) (api.LinkList, error) { return api.LinkList{}, down }, api.CodeNotFound},
		"unknown":             {listed(), api.CodeNotFound},
		"another":             {listed(api.LinkStatus{Location: "ams1", Source: "device x"}), api.CodeNotFound},
		"in a file only":      {listed(api.LinkStatus{Location: "ams1/r1"}), api.CodeNotFound},
		"measured":            {listed(api.LinkStatus{Location: "ams1/r1", Source: "device x"}), ""},
		"with a warning":      {listed(api.LinkStatus{Location: "ams1/r1", Warnings: []api.LinkWarning{{Fault: "lost"}}}), ""},
	} {
		for _, swap := range []bool{false, true} {
			f := serve(t, func(cfg *control.Config) { cfg.Links = c.list })
			forget := func() error { return f.client.DeleteLink(f.ctx, "ams1/r1") }
			if swap {
				forget = func() error { return f.client.SwapDeleteLink(f.ctx, api.Link{Location: "ams1/r1"}) }
			}
			if got := code(forget()); got != c.want {
				t.Errorf("%s, swapped %v: %q, want %q", name, swap, got, c.want)
			}
			a, err := f.store.AskLinks(f.ctx, store.LinkQuery{Facts: []unit.Location{"ams1/r1"}})
			f.must(err)
			if r := a.Facts["ams1/r1"].Record; (r != nil && r.Cleared) != (c.want == "") {
				t.Errorf("%s, swapped %v: the store has %+v", name, swap, r)
			}
		}
	}
}

func listed(all ...api.LinkStatus) func(context.Context) (api.LinkList, error) {
	return func(context.Context) (api.LinkList, error) { return api.LinkList{Links: all}, nil }
}

package api_test

import (
	"errors"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// FuzzSource: a source is one of the kinds, or an error that says what to do.
func FuzzSource(f *testing.F) {
	for _, seed := range []string{"/srv/x", "https://user:pw@h/x?y#z", "http://[::1]:80/", "node://a/b", "node:///", "ftp://x", "", "://", "/\x00", "https://%zz/", "/../..", "HTTP://x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := api.ParseSource(text)
		var e *api.Error
		if err != nil && (!errors.As(err, &e) || e.Fix == "") {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && (s.Path == "") == (s.URL == nil) {
			t.Fatalf("%q is %+v", text, s)
		}
	})
}

// FuzzSelector: a selector is refused or can be asked, and agrees with itself.
func FuzzSelector(f *testing.F) {
	f.Add("ams/r1", "n1", "role", "web")
	f.Add("", "", "", "")
	f.Add("/", "../x", "\x00", "")
	f.Fuzz(func(t *testing.T, location, name, key, value string) {
		s := api.Selector{Locations: []string{location}, NodeNames: []string{name}, Labels: map[string]string{key: value}}
		n := api.Node{Name: name, Location: location, Labels: s.Labels}
		if err := s.Validate(); err == nil && !s.Matches(n) {
			t.Fatalf("%+v does not match %+v", s, n)
		}
		same := api.Selector{Locations: []string{location, location}, NodeNames: s.NodeNames, Labels: s.Labels}
		if s.Matches(n) && !s.Overlaps(same) || !s.Equal(same) {
			t.Fatalf("%+v is at odds with itself", s)
		}
	})
}

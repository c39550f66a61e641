package api_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

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

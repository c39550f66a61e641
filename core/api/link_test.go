package api

import (
	"math"
	"strings"
	"testing"
)

func TestLinkValidate(t *testing.T) {
	t.Parallel()
	ok, zero, negative := int64(1000), int64(0), int64(-5)
	part := func(f float64) *float64 { return &f }
	for _, test := range []struct {
		name string
		link Link
		want string // in the error, "" for none
	}{
		{"all", Link{Location: "ams1/r1", Up: &ok, Down: &ok, Reserve: part(0.3)}, ""},
		{"one direction", Link{Location: "ams1", Down: &ok}, ""},
		{"ceilings", Link{Location: "ams1", MaxUp: &ok, MaxDown: &ok}, ""},
		{"a ceiling of zero", Link{Location: "ams1", MaxDown: &zero}, "max_down"},
		{"a negative ceiling", Link{Location: "ams1", Up: &ok, MaxUp: &negative}, "max_up"},
		{"a reserve of nothing", Link{Location: "ams1", Reserve: part(0)}, ""},
		{"the root", Link{Location: "/", Up: &ok}, "the root has no link"},
		{"no location", Link{Up: &ok}, "the root has no link"},
		{"an odd location", Link{Location: "ams1//r1", Up: &ok}, "location"},
		{"nothing said", Link{Location: "ams1"}, "nothing is said"},
		{"zero", Link{Location: "ams1", Up: &zero}, "carries nothing"},
		{"negative", Link{Location: "ams1", Down: &negative}, "carries nothing"},
		{"all reserved", Link{Location: "ams1", Reserve: part(1)}, "not a part"},
		{"no number", Link{Location: "ams1", Reserve: part(math.NaN())}, "not a part"},
	} {
		err := test.link.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

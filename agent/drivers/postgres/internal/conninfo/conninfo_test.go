package conninfo_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/conninfo"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, key, want string }{
		{"host=db1 port=5432", "port", "5432"},
		{"  host = db1\tport= 5432 ", "host", "db1"},
		{"host=''", "host", ""},
		{`passfile='/a b/c'`, "passfile", "/a b/c"},
		{`passfile='it\'s'`, "passfile", "it's"},
		{`user=back\\slash`, "user", `back\slash`},
		{`user=a\ b port=1`, "user", "a b"},
		{"host=a host=b", "host", "b"},
		{"port=1", "host", ""},
		{"host= port=1", "host", "port=1"}, // libpq's reading: a value may stand after blanks
	} {
		got, err := conninfo.Parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got.Get(c.key) != c.want {
			t.Errorf("%q: %s is %q, not %q", c.text, c.key, got.Get(c.key), c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"host", "=db1", "host db1", "host='db1", "host=db1 port", "host=a\x00b"} {
		if got, err := conninfo.Parse(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	if _, err := conninfo.Parse("postgresql://a:b@c/d"); !errors.Is(err, conninfo.ErrURI) {
		t.Errorf("a URI: %v", err)
	}
}

func TestOverChangesNeither(t *testing.T) {
	base, _ := conninfo.Parse("host=a port=1")
	top, _ := conninfo.Parse("host=b user=c")
	if got := base.Over(top).String(); got != "host=b port=1 user=c" {
		t.Errorf("got %s", got)
	}
	if base.String() != "host=a port=1" || top.String() != "host=b user=c" {
		t.Errorf("changed: %s, %s", base, top)
	}
}

// What is written reads as what it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c conninfo.Conninfo
		for _, key := range rapid.SliceOfDistinct(rapid.StringMatching(`[a-z_]{1,8}`), rapid.ID[string]).Draw(t, "keys") {
			c = c.With(key, rapid.StringMatching(`[ -~\t\n]{0,12}`).Draw(t, key))
		}
		same(t, c)
	})
}

type fataler interface{ Fatalf(string, ...any) }

func same(t fataler, c conninfo.Conninfo) {
	again, err := conninfo.Parse(c.String())
	if err != nil {
		t.Fatalf("%q: %v", c.String(), err)
	}
	if !slices.Equal(again.Keys(), c.Keys()) {
		t.Fatalf("%q: keys %q, not %q", c.String(), again.Keys(), c.Keys())
	}
	for _, key := range c.Keys() {
		if again.Get(key) != c.Get(key) {
			t.Fatalf("%q: %s is %q, not %q", c.String(), key, again.Get(key), c.Get(key))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"host=db1 port=5432", `a='b\'c' d=e\ f`, "x='", "=", "a=b\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := conninfo.Parse(text); err == nil {
			same(t, c)
		}
	})
}

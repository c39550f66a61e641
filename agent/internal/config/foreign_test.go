package config

import (
	"slices"
	"strings"
	"testing"
)

func TestForeignClients(t *testing.T) {
	f := newFleet(t)
	text := strings.NewReplacer("/etc/rackswarm", f.dir, "[/srv, /opt]", "["+f.at("srv")+"]",
		"accept: []", "accept: [10.1.0.0/16, 192.0.2.7, '::ffff:192.0.2.8', '2001:db8::/32']",
		"peers: []", "peers: [192.0.2.9:51413]").Replace(Example)
	c, err := Load(write(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, s := range c.Settings() {
		if strings.HasPrefix(s.Key, "foreign.") {
			shown = append(shown, s.Value)
		}
	}
	if want := []string{"10.1.0.0/16,192.0.2.7/32,192.0.2.8/32,2001:db8::/32", "192.0.2.9:51413"}; !slices.Equal(shown, want) {
		t.Errorf("shown as %q, want %q", shown, want)
	}
	if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "unencrypted") {
		t.Errorf("notes: %q", c.Notes)
	}
}

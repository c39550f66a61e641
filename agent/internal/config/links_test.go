package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// secretFile writes a secret to a file and returns its name.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// readBandwidth reads settings and checks those of bandwidth alone.
func readBandwidth(t *testing.T, text string) (Config, string) {
	t.Helper()
	c, failed, err := parse("agent.yaml", []byte(text), nil)
	v := &validator{c: &c, failed: failed}
	v.bandwidth()
	for _, e := range v.errs {
		err = fmt.Errorf("%w\n%w", orNil(err), e)
	}
	if err == nil {
		return c, ""
	}
	return c, err.Error()
}

func orNil(err error) error {
	if err == nil {
		return fmt.Errorf("also")
	}
	return err
}

func TestLinksAndDevices(t *testing.T) {
	community, auth, privacy := secretFile(t, "hush\nsecond line\n"), secretFile(t, "authpass123\r\n"), secretFile(t, "privpass123")
	c, problem := readBandwidth(t, fmt.Sprintf(`
reserve: 25%%
links:
  ams1: {up: 10Gbit, down: 1Gbit}
  ams1/r1: {down: unlimited, reserve: 0.5}
devices:
  r1:
    host: 10.0.0.1
    community_file: %s
    interval: 5s
    links:
      ams1/r1: {interface: ge-0/0/1}
  core:
    host: core.example
    port: 1161
    user: poller
    auth_password_file: %s
    privacy_password_file: %s
    links:
      ams1: {index: 7, side: outside, up: 1Gbit, ignore_speed: true}
impact: {uplink: 70%%, cpu_idle: 10%%, disk_latency: +20%%}
`, community, auth, privacy))
	if problem != "" {
		t.Fatal(problem)
	}
	if up := c.Links["ams1"]; up.Up != 1250e6 || up.Down != 125e6 || up.Reserve != nil {
		t.Errorf("link of ams1: %+v", up)
	}
	if l := c.Links["ams1/r1"]; l.Up != 0 || l.Down != unit.Unlimited || *l.Reserve != 0.5 {
		t.Errorf("link of ams1/r1: %+v", l)
	}
	if c.Reserve != 0.25 || c.Impact != (Impact{0.7, bandwidth.Impact{CPUIdle: 0.1, Unstalled: 0.2, DiskLatency: 0.2}}) {
		t.Errorf("reserve %v, impact %+v", c.Reserve, c.Impact)
	}
	r1, err := c.Devices["r1"].Resolve()
	if err != nil || r1.Community != "hush" || len(r1.Links) != 1 || r1.Links[0].Link != "ams1/r1" || r1.Links[0].Side != bandwidth.Inside {
		t.Errorf("r1: %+v, %v", r1, err)
	}
	core, err := c.Devices["core"].Resolve()
	if err != nil || core.User.AuthPassword != "authpass123" || core.Port != 1161 || core.Links[0].Index != 7 || !core.Links[0].IgnoreSpeed || core.Links[0].Side != bandwidth.Outside {
		t.Errorf("core: %+v, %v", core, err)
	}
	for _, s := range c.Settings() {
		if strings.Contains(s.Value, "hush") || strings.Contains(s.Value, "pass123") {
			t.Errorf("%s shows a secret: %s", s.Key, s.Value)
		}
	}
}

func TestBadLinksAndDevices(t *testing.T) {
	community := secretFile(t, "hush")
	for _, test := range []struct{ name, text, want string }{
		{"zero", "links: {ams1: {up: 0}}", "zero never means unlimited"},
		{"no unit", "links: {ams1: {up: 100}}", "links.ams1.up: 100 of what?"},
		{"no rate", "links: {ams1: {up: fast}}", "fast"},
		{"the root", "links: {/: {up: 1Gbit}}", "the root has no link"},
		{"no location", "links: {'a b': {up: 1Gbit}}", "a b"},
		{"nothing", "links: {ams1: {}}", "nothing is said"},
		{"no mapping", "links: [ams1]", "mapping of links"},
		{"unknown", "links: {ams1: {speed: 1Gbit}}", "unknown setting"},
		{"all reserved", "links: {ams1: {up: 1Gbit, reserve: 100%}}", "nothing to anybody"},
		{"all reserved everywhere", "reserve: 100%", "nothing to anybody"},
		{"more than all", "reserve: 120%", "not a part"},
		{"negative", "reserve: -5%", "not a part"},
		{"no ceiling above nothing", "impact: {uplink: 0%}", "nothing pass"},
		{"odd latency", "impact: {disk_latency: fast}", "+20%"},
		{"no host", "devices: {r1: {community_file: FILE, links: {ams1: {interface: e}}}}", "needs a host"},
		{"no secret", "devices: {r1: {host: h, links: {ams1: {interface: e}}}}", "neither community nor user"},
		{"a secret in the file", "devices: {r1: {host: h, community: public, links: {ams1: {interface: e}}}}", "community_file"},
		{"a file that is not there", "devices: {r1: {host: h, community_file: /nothing/there, links: {ams1: {interface: e}}}}", "devices.r1.community_file: /nothing/there does not exist"},
		{"a file without its directory", "devices: {r1: {host: h, user: u, auth_password_file: secret, links: {ams1: {interface: e}}}}", `devices.r1.auth_password_file: "secret" is not an absolute path`},
		{"a file without a secret", "devices: {r1: {host: h, community_file: /dev/null, links: {ams1: {interface: e}}}}", "the first line of /dev/null is empty"},
		{"a port at the host", "devices: {r1: {host: 'h:161', community_file: FILE, links: {ams1: {interface: e}}}}", `devices.r1.host: "h:161"`},
		{"odd index", "devices: {r1: {host: h, community_file: FILE, links: {ams1: {index: ge}}}}", `devices.r1.links.ams1.index: "ge" is not a number`},
		{"no links", "devices: {r1: {host: h, community_file: FILE}}", "not set"},
		{"no interface", "devices: {r1: {host: h, community_file: FILE, links: {ams1: {side: inside}}}}", "name, alias and index"},
		{"two interfaces", "devices: {r1: {host: h, community_file: FILE, links: {ams1: {index: 3, alias: up}}}}", "name, alias and index"},
		{"odd side", "devices: {r1: {host: h, community_file: FILE, links: {ams1: {interface: e, side: left}}}}", "is no side"},
		{"odd port", "devices: {r1: {host: h, port: 70000, community_file: FILE, links: {ams1: {interface: e}}}}", "no port"},
		{"two devices at one link", "devices: {r1: {host: h, community_file: FILE, links: {ams1: {interface: e}}}, r2: {host: i, community_file: FILE, links: {ams1: {interface: e}}}}", "both measure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problem := readBandwidth(t, strings.ReplaceAll(test.text, "FILE", community))
			if !strings.Contains(problem, test.want) {
				t.Errorf("%q, want %q", problem, test.want)
			}
		})
	}
}

// A reserve above what the ceiling leaves free makes the ceiling useless: that is
// said, as one of both is hardly meant.
// TestSensors: a device may be a program with its own settings.
func TestSensors(t *testing.T) {
	c, problem := readBandwidth(t, "drivers: /c\ndevices: {flows: {sensor: sflow, interval: 2s, settings: {file: /run/x}, links: {ams1/r2: {}, ams1/r1: {up: 1Gbit}}}}")
	d := c.Devices["flows"]
	want := []bandwidth.MeterConfig{{Link: "ams1/r1", Up: 125e6}, {Link: "ams1/r2"}}
	if problem != "" || d.Sensor != "sflow" || d.Settings["file"] != "/run/x" || d.Interval != 2*time.Second || !slices.Equal(d.Meters(), want) || !slices.Equal(c.Sensors(), []string{"flows"}) {
		t.Errorf("%+v, %s", d, problem)
	}
	if s, _ := find("devices"); s.show(&c) != "flows=ams1/r1:sensor sflow,flows=ams1/r2:sensor sflow" {
		t.Error(s.show(&c))
	}
	for text, want := range map[string]string{
		"sensor: x, host: 10.0.0.1, links: {ams1: {}}": "what belongs to SNMP",
		"sensor: x, links: {ams1: {interface: eth0}}":  "knows links by their location",
		"sensor: x, links: {ams1: {side: outside}}":    "knows links by their location",
		"sensor: x":                                            "not set",
		"sensor: [x], links: {ams1: {}}":                       "cannot be",
		"settings: x, sensor: x, links: {ams1: {}}":            "cannot be",
		"settings: {a: b}, host: h, links: {ams1: {index: 1}}": "settings belong to a sensor",
		"sensor: x, interval: 5m, links: {ams1: {}}":           "interval and timeout must be in 1s to 1m",
	} {
		if _, problem := readBandwidth(t, "drivers: /c\ndevices: {d: {"+text+"}}"); !strings.Contains(problem, want) {
			t.Errorf("%s: %q, want %q", text, problem, want)
		}
	}
	if _, problem := readBandwidth(t, "drivers: ''\ndevices: {d: {sensor: x, links: {ams1: {}}}}"); !strings.Contains(problem, "has the sensor x") {
		t.Error(problem)
	}
}

// TestHostLink: what is said of the node's own link counts, and the rest is what holds
// for all links.
func TestHostLink(t *testing.T) {
	for _, test := range []struct {
		text string
		want HostLink
		free bandwidth.Part // the reserve that counts
	}{
		{"", HostLink{}, 0.2},
		{"host: {up: '', down: '', interface: '', reserve: ''}\nreserve: 10%", HostLink{}, 0.1},
		{"host: {up: 1Gbit, down: unlimited, interface: lo}", HostLink{Interface: "lo", Up: 125e6, Down: unit.Unlimited}, 0.2},
	} {
		c, problem := readBandwidth(t, test.text)
		if problem != "" || c.Host != test.want || c.HostPolicy().Reserve != test.free || len(c.Notes) > 0 {
			t.Errorf("%q: %+v, %v, %s, %s", test.text, c.Host, c.HostPolicy(), problem, c.Notes)
		}
	}
	c, problem := readBandwidth(t, "host: {reserve: 0%, interface: no-such}\nimpact: {uplink: 70%}")
	if p := c.HostPolicy(); problem != "" || p.Reserve != 0 || p.Ceiling != 0.7 || c.LinkPolicy().Reserve != 0.2 || len(c.Notes) != 1 {
		t.Errorf("%+v, %s, %s", p, problem, c.Notes)
	}
	for text, want := range map[string]string{
		"up: 1000": "1000 of what", "down: 0": "zero never means unlimited", "reserve: 100%": "would leave nothing", "reserve: x": "not a part",
	} {
		if _, problem := readBandwidth(t, "host: {"+text+"}"); !strings.Contains(problem, want) || !strings.Contains(problem, "host.") {
			t.Errorf("%s: %q, want %q", text, problem, want)
		}
	}
}

func TestLimitsThatContradict(t *testing.T) {
	c, problem := readBandwidth(t, "{reserve: 40%, links: {ams1: {up: 1Gbit}}, impact: {uplink: 80%}}")
	if problem != "" || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "never counts") {
		t.Errorf("%q, notes %q", problem, c.Notes)
	}
	device := ", devices: {r7: {host: 10.0.7.1, community_file: " + secretFile(t, "public\n") + ", links: {ams1/r7: {interface: x, up: 1Gbit, down: 40Mbit}}}}}"
	for links, note := range map[string]string{
		"up: 1Gbit":                "",
		"up: 1Gbit, down: 1Gbit":   "links: ams1/r7 carries 119.2 MiB/s down, and devices.r7 says 4.8 MiB/s: the lower one counts",
		"up: 10Mbit, down: 40Mbit": "links: ams1/r7 carries 1.2 MiB/s up, and devices.r7 says 119.2 MiB/s: the lower one counts",
	} {
		c, problem := readBandwidth(t, "{links: {ams1/r7: {"+links+"}}"+device)
		if problem != "" || strings.Join(c.Notes, "; ") != note {
			t.Errorf("%s: %q, notes %q, want %q", links, problem, c.Notes, note)
		}
	}
}

// Links and devices can be variables, as in the file.
func TestLinksAsVariable(t *testing.T) {
	c, _, err := parse("", nil, []string{"RACKSWARM_LINKS={ams1: {up: 1Gbit, down: 1Gbit}}", "RACKSWARM_RESERVE=10%"})
	if err != nil || c.Links["ams1"] != (links.Link{Up: 125e6, Down: 125e6}) || c.Reserve != 0.1 {
		t.Errorf("%+v, %v", c.Links, err)
	}
}

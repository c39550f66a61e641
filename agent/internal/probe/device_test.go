package probe

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestConfigurationsThatAreWrong(t *testing.T) {
	good := func() Device {
		return Device{
			Host: "switch", User: User{Name: "poller", AuthPassword: "authpass123", PrivacyPassword: "privpass123"},
			Links: []Link{named("ge-0", "ams")},
		}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Device){
		"needs a host":                       func(d *Device) { d.Host = "" },
		"no port 65536":                      func(d *Device) { d.Port = 65536 },
		"cannot be negative":                 func(d *Device) { d.Timeout = -1 },
		"has a community and a user":         func(d *Device) { d.Community = "public" },
		"neither community nor user":         func(d *Device) { d.User = User{} },
		`no authentication "MD5"`:            func(d *Device) { d.User.Auth = "MD5" },
		`no privacy "DES"`:                   func(d *Device) { d.User.Privacy = "DES" },
		"at least 8 characters":              func(d *Device) { d.User.PrivacyPassword = "short" },
		"set one of the interface's name":    func(d *Device) { d.Links[0].Alias = "uplink" },
		"link of ams: set one":               func(d *Device) { d.Links[0].Name = "" },
		"two interfaces are configured":      func(d *Device) { d.Links = append(d.Links, named("ge-1", "ams")) },
		"device switch: link of ams: set on": func(d *Device) { d.Links[0].Name, d.Links[0].Index = "", -4 },
	} {
		d := good()
		spoil(&d)
		err := d.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass") && !strings.Contains(err.Error(), "password") {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := NewPoller(Config{Device: d}); err == nil {
			t.Errorf("%s: polled", want)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	u := User{Name: "poller", AuthPassword: "authpass123", PrivacyPassword: "privpass123"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", u.AuthPassword)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", u, u, u, u.AuthPassword), log.String()} {
		if strings.Contains(text, "pass123") {
			t.Error(text)
		}
	}
}

func TestAReading(t *testing.T) {
	whole := func() map[string]any {
		return map[string]any{
			oidUpTime: uint32(1234), of(oidName, 3): []byte("ge-0"), of(oidAlias, 3): "uplink", of(oidIn, 3): uint64(1 << 63),
			of(oidOut, 3): uint64(2), of(oidSpeed, 3): uint(100), of(oidDiscontinuity, 3): uint32(7), of(oidStatus, 3): 1,
		}
	}
	want := bandwidth.Reading{
		At: 9, Interface: 3, In: 1 << 63, Out: 2, UpTime: 12340 * time.Millisecond, Discontinuity: 70 * time.Millisecond, Speed: 100e6 / 8,
	}
	for _, l := range []Link{{Name: "ge-0"}, {Alias: "uplink"}, {Index: 3}} {
		if r, fault := l.reading(whole(), 3, 9); fault != nil || r != want {
			t.Errorf("%s: %+v, %v", l, r, fault)
		}
	}
	for name, c := range map[string]struct {
		link  Link
		spoil func(map[string]any)
		fault bandwidth.Fault
		says  string
	}{
		"another name":           {Link{Name: "ge-1"}, func(map[string]any) {}, bandwidth.FaultVanished, "no interface ge-1"},
		"another alias":          {Link{Alias: "x y"}, func(map[string]any) {}, bandwidth.FaultVanished, `no interface with the alias "x y"`},
		"nothing at the index":   {Link{Index: 3}, func(v map[string]any) { clear(v) }, bandwidth.FaultVanished, "no interface 3"},
		"no counters of 64 bits": {Link{Name: "ge-0"}, func(v map[string]any) { delete(v, of(oidIn, 3)); delete(v, of(oidOut, 3)) }, bandwidth.FaultSilent, "ifHCInOctets"},
		"one counter":            {Link{Index: 3}, func(v map[string]any) { delete(v, of(oidIn, 3)) }, bandwidth.FaultSilent, "ifHCInOctets"},
		"a text for a counter":   {Link{Index: 3}, func(v map[string]any) { v[of(oidIn, 3)] = []byte("5") }, bandwidth.FaultSilent, "ifHCInOctets"},
		"a negative counter":     {Link{Index: 3}, func(v map[string]any) { v[of(oidIn, 3)] = -5 }, bandwidth.FaultAbsurd, "a negative number of bytes of interface 3"},
		"no clock":               {Link{Index: 3}, func(v map[string]any) { delete(v, oidUpTime) }, bandwidth.FaultSilent, "sysUpTime"},
		"down":                   {Link{Index: 3}, func(v map[string]any) { v[of(oidStatus, 3)] = 7 }, bandwidth.FaultVanished, "interface 3 is down"},
	} {
		values := whole()
		c.spoil(values)
		if r, fault := c.link.reading(values, 3, 9); fault == nil || fault.fault != c.fault || !strings.Contains(fault.message, c.says) || fault.fix == "" {
			t.Errorf("%s: %+v, %+v", name, r, fault)
		}
	}
}

func TestErrorsOfNoKnownKindSayWhatTheyAre(t *testing.T) {
	cause := errors.New("the cat sat on it")
	e := explain(Device{Host: "switch", Port: 161, Community: "public"}, cause)
	e.Link = unit.Location("ams")
	if e.Error() != "link of ams: device switch:161: the cat sat on it" || !errors.Is(e, cause) {
		t.Error(e)
	}
}

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// Device is a switch or router that is asked by SNMP how much of links is used, or a
// sensor that is. Its secrets are in files.
type Device struct {
	// Sensor is the name of a program of the catalogue that is asked instead, with its
	// own settings; "" for SNMP.
	Sensor   string
	Settings map[string]string

	probe.Device // without secrets and links
	// CommunityFile is of SNMP v2c; v3 has User and two files of passwords.
	CommunityFile       string
	AuthPasswordFile    string
	PrivacyPasswordFile string
	Interfaces          map[unit.Location]probe.Link
}

const devicesFix = `write {core1: {host: 10.0.0.1, community_file: /etc/rackswarm/snmp, links: {ams1/rsn-27: {interface: ge-0/0/1, side: inside}}}}, ` +
	`or user, auth_password_file and privacy_password_file instead of community_file; or {flows: {sensor: sflow, settings: {...}, links: {ams1/rsn-27: {}}}}`

func devices() setting {
	return setting{"devices", kindDevices, devicesFix, func(c *Config, r raw) error {
		c.Devices = r.devices
		return nil
	}, func(c *Config) string {
		var all []string
		for _, name := range slices.Sorted(maps.Keys(c.Devices)) {
			d := c.Devices[name]
			for _, l := range slices.Sorted(maps.Keys(d.Interfaces)) {
				by := d.Interfaces[l].String()
				if d.Sensor != "" { // its settings are its own affair
					by = "sensor " + d.Sensor
				}
				all = append(all, fmt.Sprintf("%s=%s:%s", name, l, by))
			}
		}
		return strings.Join(all, ",")
	}}
}

// devices reads a mapping of devices by name.
func (d *document) devices(s setting, m ast.MapNode) (raw, bool) {
	all, good := byName(d, s, "device", m, func(key string, at ast.Node, m ast.MapNode) (Device, bool) {
		return d.device(s, key, at, m)
	})
	return raw{devices: all}, good
}

func (d *document) device(s setting, key string, at ast.Node, m ast.MapNode) (Device, bool) {
	var dev Device
	good := true
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		body, isMap := it.Value().(ast.MapNode)
		if name == "links" && isMap {
			at := s
			at.key = key + ".links"
			byText, read := byName(d, at, "link", body, d.port)
			byPlace, placed := byLocation(d, at, body, byText)
			dev.Interfaces, good = byPlace, good && read && placed
			continue
		}
		if name == "settings" && isMap {
			at := s
			at.key = key + ".settings"
			v, read := d.labels(at, body)
			dev.Settings, good = v.labels, good && read
			continue
		}
		if err := deviceField(&dev, name, it.Value()); err != nil {
			d.fail(it.Key(), key+"."+name, devicesFix, "%v", err)
			good = false
		}
	}
	if good && len(dev.Interfaces) == 0 {
		d.fail(at, key+".links", devicesFix, "not set")
		good = false
	}
	return dev, good
}

func deviceField(d *Device, name string, n ast.Node) (err error) {
	text, isText := yamlnode.Scalar(n)
	texts := map[string]*string{
		"sensor": &d.Sensor, "host": &d.Host, "user": &d.User.Name, "auth": &d.User.Auth, "privacy": &d.User.Privacy,
		"community_file": &d.CommunityFile, "auth_password_file": &d.AuthPasswordFile, "privacy_password_file": &d.PrivacyPasswordFile,
	}
	at, known := texts[name]
	switch {
	case slices.Contains([]string{"community", "auth_password", "privacy_password"}, name):
		return fmt.Errorf("a secret does not belong here; write it to a file and name that: %s_file", name)
	case !known && !slices.Contains([]string{"port", "interval", "timeout", "links", "settings"}, name):
		return errors.New("unknown setting")
	case !isText || name == "links" || name == "settings":
		return fmt.Errorf("cannot be %s", yamlnode.Form(n))
	case name == "port":
		d.Port, err = parseNumber(text)
	case name == "interval":
		d.Interval, err = parseInterval(text)
	case name == "timeout":
		d.Timeout, err = parseInterval(text)
	default:
		*at = text
	}
	return err
}

// port reads an interface of a device, at a link.
func (d *document) port(key string, _ ast.Node, m ast.MapNode) (probe.Link, bool) {
	var l probe.Link
	good := true
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		if err := portField(&l, name, it.Value()); err != nil {
			d.fail(it.Key(), key+"."+name, devicesFix, "%v", err)
			good = false
		}
	}
	return l, good
}

func portField(l *probe.Link, name string, n ast.Node) (err error) {
	text, isText := yamlnode.Scalar(n)
	flag, isFlag := n.(*ast.BoolNode)
	switch {
	case name == "ignore_speed" && isFlag:
		l.IgnoreSpeed = flag.Value
	case !slices.Contains([]string{"interface", "alias", "index", "side", "up", "down", "ignore_speed"}, name):
		return errors.New("unknown setting")
	case !isText || name == "ignore_speed":
		return fmt.Errorf("cannot be %s", yamlnode.Form(n))
	case name == "interface":
		l.Name = text
	case name == "alias":
		l.Alias = text
	case name == "index":
		l.Index, err = parseNumber(text)
	case name == "side":
		l.Side, err = parseSide(text)
	case name == "up":
		l.Up, err = parseCapacity(text)
	default:
		l.Down, err = parseCapacity(text)
	}
	return err
}

func parseNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}

func parseSide(text string) (bandwidth.Side, error) {
	switch text {
	case "inside":
		return bandwidth.Inside, nil
	case "outside":
		return bandwidth.Outside, nil
	}
	return bandwidth.Inside, fmt.Errorf("%q is no side: inside is an interface of the location's own router, outside one of the router above", text)
}

// Meters are the links that a sensor measures, by location.
func (d Device) Meters() (all []bandwidth.MeterConfig) {
	for _, l := range slices.Sorted(maps.Keys(d.Interfaces)) {
		m := d.Interfaces[l].MeterConfig
		m.Link = l
		all = append(all, m)
	}
	return all
}

// checkSensor says what does not belong to a sensor.
func (d Device) checkSensor() error {
	if d.Host != "" || d.Port != 0 || d.User != (probe.User{}) || d.CommunityFile+d.AuthPasswordFile+d.PrivacyPasswordFile != "" {
		return fmt.Errorf("it has the sensor %s and what belongs to SNMP: leave out host, port, user and the files of secrets, or sensor", d.Sensor)
	}
	for l, i := range d.Interfaces {
		if i.Name+i.Alias != "" || i.Index != 0 || i.Side != bandwidth.Inside {
			return fmt.Errorf("link of %s: a sensor knows links by their location: leave out interface, alias, index and side", l)
		}
	}
	return nil
}

// Resolve reads the secrets of a device that is no sensor.
func (d Device) Resolve() (probe.Device, error) {
	dev := d.Device
	for _, l := range slices.Sorted(maps.Keys(d.Interfaces)) {
		link := d.Interfaces[l]
		link.Link = l
		dev.Links = append(dev.Links, link)
	}
	for _, secret := range []struct {
		file string
		into *probe.Secret
	}{{d.CommunityFile, &dev.Community}, {d.AuthPasswordFile, &dev.User.AuthPassword}, {d.PrivacyPasswordFile, &dev.User.PrivacyPassword}} {
		line, err := secretIn(secret.file)
		if err != nil {
			return dev, err
		}
		*secret.into = probe.Secret(line)
	}
	return dev, dev.Check()
}

// devices checks what can be checked without asking them.
func (v *validator) devices() {
	at := map[unit.Location]string{}
	for _, name := range slices.Sorted(maps.Keys(v.c.Devices)) {
		d := v.c.Devices[name]
		for _, l := range slices.Sorted(maps.Keys(d.Interfaces)) {
			if other, taken := at[l]; taken {
				v.fail("devices", "leave the link to one of them", "%s and %s both measure the link of %s", other, name, l)
			}
			at[l] = name
		}
		v.device(name, d)
		if strings.Contains(d.Host, ":") && net.ParseIP(d.Host) == nil {
			v.failBelow("devices", name+".host", "write a name or an address only, and the port to port", "%q is no name and no address", d.Host)
		}
		if d.Interval < 0 || d.Interval > time.Minute || d.Timeout > time.Minute {
			v.fail("devices", "write 1s to 1m", "%s: interval and timeout must be in 1s to 1m", name)
		}
	}
}

func (v *validator) device(name string, d Device) {
	var err error
	switch {
	case d.Sensor != "":
		if err = d.checkSensor(); err == nil && v.c.Drivers == "" {
			v.fail("drivers", driversFix, "not set, and %s has the sensor %s, whose program it has to list", name, d.Sensor)
		}
	case d.Settings != nil:
		err = errors.New("settings belong to a sensor, which is not set")
	case !v.secrets(name, d):
		return
	default:
		_, err = d.Resolve()
	}
	if err != nil {
		v.fail("devices", devicesFix, "%s: %v", name, err)
	}
}

// secrets reports whether all files of secrets that a device needs can be read.
func (v *validator) secrets(name string, d Device) bool {
	good := true
	for _, f := range []struct{ key, path string }{
		{"community_file", d.CommunityFile}, {"auth_password_file", d.AuthPasswordFile}, {"privacy_password_file", d.PrivacyPasswordFile},
	} {
		at := name + "." + f.key
		switch secret, err := secretIn(f.path); {
		case f.path == "":
		case !filepath.IsAbs(f.path):
			v.failBelow("devices", at, "write the whole path, from / on", "%q is not an absolute path", f.path)
			good = false
		case errors.Is(err, fs.ErrNotExist):
			v.failBelow("devices", at, "check the path; write the secret to its first line", "%s does not exist", f.path)
			good = false
		case err != nil:
			v.failBelow("devices", at, "let the agent's user read it", "%v", err)
			good = false
		case secret == "":
			v.failBelow("devices", at, "write the secret to its first line", "the first line of %s is empty", f.path)
			good = false
		}
	}
	return good
}

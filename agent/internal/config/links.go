package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// Impact is how much of the links and of this host may be used up.
type Impact struct {
	// Uplink is the part of a link's capacity up to which it may be filled together
	// with others; 1 is no ceiling.
	Uplink bandwidth.Part
	Host   bandwidth.Impact
}

const (
	linksFix       = "write {ams1/rsn-27: {up: 1Gbit, down: 1Gbit, reserve: 20%}}; reserve may be left out, and up or down where a device tells them"
	reserveFix     = "write a part of the capacity such as 20%, or 0% for none"
	ceilingFix     = "write a part of the capacity such as 80%, or 100% for no ceiling"
	cpuIdleFix     = "write a part such as 20%, or 0% to leave the CPU out of account"
	ioIdleFix      = "write a part such as 20%, or 0% to leave it out of account"
	diskLatencyFix = "write how much later the disk may answer, such as +20%, or off"
)

func declared() setting {
	return setting{"links", kindLinks, linksFix, func(c *Config, r raw) error {
		c.Links = r.links
		return nil
	}, func(c *Config) string {
		var all []string
		for _, l := range slices.Sorted(maps.Keys(c.Links)) {
			all = append(all, fmt.Sprintf("%s: %s", l, linkText(c.Links[l])))
		}
		return strings.Join(all, "; ")
	}}
}

// linkText is what the file says of a link, such as "119.2 MiB/s up, down not said, 30%
// reserved".
func linkText(l links.Link) string {
	text := capacityText("up", l.Up) + ", " + capacityText("down", l.Down)
	if l.Reserve != nil {
		text += fmt.Sprintf(", %s reserved", *l.Reserve)
	}
	return text
}

func capacityText(direction string, r unit.Rate) string {
	if r == 0 {
		return direction + " not said"
	}
	return r.String() + " " + direction
}

// part is a setting between 0% and 100%.
func part(key, fix string, at func(*Config) *bandwidth.Part) setting {
	return parsed(key, fix, at, bandwidth.ParsePart)
}

// diskLatency is a setting that can be off, which is below zero.
func diskLatency() setting {
	return setting{"impact.disk_latency", kindText, diskLatencyFix, func(c *Config, r raw) error {
		if r.text == "off" {
			c.Impact.Host.DiskLatency = -1
			return nil
		}
		number, percent := strings.CutSuffix(strings.TrimPrefix(r.text, "+"), "%")
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || !percent || !(f >= 0 && f <= 1000) {
			return fmt.Errorf("%q is not a part such as +20%%", r.text)
		}
		c.Impact.Host.DiskLatency = f / 100
		return nil
	}, func(c *Config) string {
		if c.Impact.Host.DiskLatency < 0 {
			return "off"
		}
		return fmt.Sprintf("+%g%%", c.Impact.Host.DiskLatency*100)
	}}
}

// links reads a mapping of links by location.
func (d *document) links(s setting, m ast.MapNode) (raw, bool) {
	byText, good := byName(d, s, "link", m, d.link)
	all, ok := byLocation(d, s, m, byText)
	return raw{links: all}, good && ok
}

// byLocation reads the names of a mapping as locations that have a link.
func byLocation[T any](d *document, s setting, m ast.MapNode, byText map[string]T) (map[unit.Location]T, bool) {
	all, good := map[unit.Location]T{}, true
	for it := m.MapRange(); it.Next(); {
		text, _ := yamlnode.Scalar(it.Key())
		v, read := byText[text]
		l, err := unit.ParseLocation(text)
		switch {
		case !read:
		case err != nil:
			d.fail(it.Key(), s.key, s.fix, "%v", err)
			good = false
		case l == unit.Root:
			d.fail(it.Key(), s.key, "name a location below the root, such as ams1", "the root has no link: nothing is above it")
			good = false
		default:
			all[l] = v
		}
	}
	return all, good
}

func (d *document) link(key string, at ast.Node, m ast.MapNode) (links.Link, bool) {
	var l links.Link
	good := true
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		if err := linkField(&l, name, it.Value()); err != nil {
			d.fail(it.Key(), key+"."+name, linksFix, "%v", err)
			good = false
		}
	}
	if good && l == (links.Link{}) {
		d.fail(at, key, linksFix, "nothing is said of the link")
		good = false
	}
	return l, good
}

func linkField(l *links.Link, name string, n ast.Node) (err error) {
	text, isText := yamlnode.Scalar(n)
	switch {
	case !slices.Contains([]string{"up", "down", "reserve"}, name):
		return errors.New("unknown setting")
	case !isText:
		return fmt.Errorf("cannot be %s", yamlnode.Form(n))
	case name == "up":
		l.Up, err = parseCapacity(text)
	case name == "down":
		l.Down, err = parseCapacity(text)
	default:
		var reserve bandwidth.Part
		if reserve, err = bandwidth.ParsePart(text); err == nil && reserve == 1 {
			err = errors.New("100% would leave nothing to anybody")
		}
		l.Reserve = &reserve
	}
	return err
}

// parseCapacity reads what a link carries.
func parseCapacity(text string) (unit.Rate, error) {
	r, err := parseRate(text)
	if err == nil && r == 0 {
		err = errors.New("a link of 0 carries nothing; zero never means unlimited")
	}
	return r, err
}

// bandwidth checks what contradicts itself.
func (v *validator) bandwidth() {
	if v.c.Reserve == 1 {
		v.fail("reserve", reserveFix, "100%% would leave nothing to anybody")
	}
	if v.c.Impact.Uplink == 0 {
		v.fail("impact.uplink", ceilingFix, "0%% would let nothing pass")
	}
	for _, l := range slices.Sorted(maps.Keys(v.c.Links)) {
		reserve := v.c.Reserve
		if own := v.c.Links[l].Reserve; own != nil {
			reserve = *own
		}
		if ceiling := v.c.Impact.Uplink; ceiling < 1 && ceiling > 1-reserve {
			v.note(fmt.Sprintf("links: of %s %s are reserved, so that impact.uplink %s never counts there", l, reserve, ceiling))
		}
	}
	v.devices()
	v.capacities()
	v.hostLink()
}

// capacities notes where two settings say differently what a link carries.
func (v *validator) capacities() {
	for _, name := range slices.Sorted(maps.Keys(v.c.Devices)) {
		at := v.c.Devices[name].Interfaces
		for _, l := range slices.Sorted(maps.Keys(at)) {
			v.differ(l, "up", v.c.Links[l].Up, name, at[l].Up)
			v.differ(l, "down", v.c.Links[l].Down, name, at[l].Down)
		}
	}
}

func (v *validator) differ(l unit.Location, direction string, said unit.Rate, device string, told unit.Rate) {
	if said > 0 && told > 0 && said != told {
		v.note(fmt.Sprintf("links: %s carries %s %s, and devices.%s says %s: the lower one counts", l, said, direction, device, told))
	}
}

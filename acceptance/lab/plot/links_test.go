package plot

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// used is a direction of 10 Mbit/s, less from 3 s on, of which something is used.
func used(ours, others float64) scenario.DirectionReport {
	d := scenario.DirectionReport{Capacity: []scenario.Point{{0, 10e6}, {3, 5e6}}, Limit: []scenario.Point{{0, 8e6}, {3, 4e6}}}
	for i := range 6 {
		d.Use = append(d.Use, scenario.UsePoint{float64(i + 1), ours, others})
	}
	return d
}

func TestLinks(t *testing.T) {
	r := scenario.Report{Scenario: "site", System: "ours", Links: map[unit.Location]scenario.LinkReport{
		"a":   {Down: used(6e6, 3e6), Up: used(1e5, 0)},
		"a/b": {Down: used(0, 0), Up: used(0, 2e6)},
		"c":   {Down: scenario.DirectionReport{Use: []scenario.UsePoint{{1, 9e9, 0}}}}, // unlimited
	}}
	var svg bytes.Buffer
	if err := Links(&svg, r); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{
		"site, ours": true, "into a<": true, "out of a/b": true, "capacity": true, "without the reserve": true, "others": true,
		"out of a<": false, "into a/b": false, "into c": false,
	} {
		if strings.Contains(svg.String(), word) != want {
			t.Errorf("%q is in the plot: %v", word, !want)
		}
	}
}

func TestLinksThatNobodyUsed(t *testing.T) {
	if err := Links(&bytes.Buffer{}, scenario.Report{Scenario: "site", System: "none"}); !errors.Is(err, ErrNoLinks) {
		t.Errorf("error %v", err)
	}
}

// What others move is above what the system does.
func TestAreas(t *testing.T) {
	ours, others, err := direction{"x", used(6e6, 3e6)}.areas()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, low, high := ours.DataRange(); low != 0 || high != 6 {
		t.Errorf("ours is from %v to %v Mbit/s", low, high)
	}
	if _, _, low, high := others.DataRange(); low != 6 || high != 9 {
		t.Errorf("others are from %v to %v Mbit/s", low, high)
	}
}

package plot

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"io"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	linkHeight = 5 * vg.Centimeter // of one link's diagram
	linkTitle  = 1 * vg.Centimeter
	mbit       = 1e6
)

var (
	ourColour    = palette[1]
	othersColour = palette[4]
)

// ErrNoLinks says that there is no link to draw, as in a run without background
// that distributed nothing.
var ErrNoLinks = errors.New("no link with a capacity was used")

// direction is one direction of a link, with what is to be drawn of it.
type direction struct {
	name string
	scenario.DirectionReport
}

// leastUse is which share of a link's capacity somebody has to use once for the link
// to be drawn.
const leastUse = 0.15

// Links draws what passed the uplinks of a run over time, in Mbit/s: a diagram for
// each direction of a link that was used, with what the system moved below and what
// others did above it, and lines for the link's capacity and for that without the
// reserve. A report in which no link was used is ErrNoLinks.
func Links(w io.Writer, r scenario.Report) error {
	all := directions(r)
	if len(all) == 0 {
		return fmt.Errorf("plot of links of %s by %s: %w", r.Scenario, r.System, ErrNoLinks)
	}
	latest := latestUse(all)
	rows := make([][]*plot.Plot, len(all))
	for i, d := range all {
		p, err := d.plot(latest, i == len(all)-1)
		if err != nil {
			return fmt.Errorf("plot of link %s: %w", d.name, err)
		}
		rows[i] = []*plot.Plot{p}
	}
	rows[0][0].Title.Text = fmt.Sprintf("%s, %s", r.Scenario, r.System)
	legend, err := linkLegend(r)
	if err != nil {
		return err
	}
	return writeRows(w, rows, legend)
}

// directions are those that were used, by location, what enters it first.
func directions(r scenario.Report) []direction {
	var all []direction
	for _, loc := range slices.SortedFunc(maps.Keys(r.Links), compareLocations) {
		l := r.Links[loc]
		for _, d := range []direction{{"into " + string(loc), l.Down}, {"out of " + string(loc), l.Up}} {
			if len(d.Capacity) > 0 && len(d.Use) > 0 && d.most() >= leastUse*d.Capacity[0][1] {
				all = append(all, d)
			}
		}
	}
	return all
}

func compareLocations(a, b unit.Location) int {
	return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), cmp.Compare(a, b))
}

// most is the most that was used, in bits per second.
func (d direction) most() (most float64) {
	for _, u := range d.Use {
		most = max(most, u[scenario.UseOurs]+u[scenario.UseOthers])
	}
	return most
}

func latestUse(all []direction) (latest float64) {
	for _, d := range all {
		latest = max(latest, d.Use[len(d.Use)-1][scenario.UseTime])
	}
	return latest
}

func (d direction) plot(latest float64, last bool) (*plot.Plot, error) {
	p, _ := page("")
	p.X.Label.Text, p.Y.Label.Text = "", d.name+"\nMbit/s"
	if last {
		p.X.Label.Text = "seconds since the distribution was accepted"
	}
	ours, others, err := d.areas()
	if err != nil {
		return nil, err
	}
	p.Add(ours, others)
	for _, l := range []struct {
		points []scenario.Point
		style  draw.LineStyle
	}{{d.Capacity, capacityLine}, {d.Limit, limitLine}} {
		line, err := level(l.points, latest, l.style)
		if err != nil {
			return nil, err
		}
		p.Add(line)
	}
	p.X.Min, p.Y.Min, p.X.Max = 0, 0, max(latest, 1)
	p.Y.Max = 1.08 * max(p.Y.Max, d.most()/mbit)
	return p, nil
}

// areas are what the system moved, from 0, and above it what others did.
func (d direction) areas() (ours, others *plotter.Polygon, err error) {
	var base, low, top plotter.XYs
	before := 0.
	for _, u := range d.Use {
		end, own := u[scenario.UseTime], u[scenario.UseOurs]/mbit
		total := own + u[scenario.UseOthers]/mbit
		base = append(base, plotter.XY{X: before}, plotter.XY{X: end})
		low = append(low, plotter.XY{X: before, Y: own}, plotter.XY{X: end, Y: own})
		top = append(top, plotter.XY{X: before, Y: total}, plotter.XY{X: end, Y: total})
		before = end
	}
	if ours, err = between(base, low, ourColour); err != nil {
		return nil, nil, err
	}
	others, err = between(low, top, othersColour)
	return ours, others, err
}

func between(low, high plotter.XYs, fill color.Color) (*plotter.Polygon, error) {
	back := slices.Clone(low)
	slices.Reverse(back)
	area, err := plotter.NewPolygon(append(slices.Clone(high), back...))
	if err != nil {
		return nil, err
	}
	area.Color, area.LineStyle.Width = fill, 0
	return area, nil
}

var (
	capacityLine = draw.LineStyle{Color: color.Black, Width: 1}
	limitLine    = draw.LineStyle{Color: palette[0], Width: 1, Dashes: []vg.Length{4, 3}}
)

// level is a line with steps, in Mbit/s.
func level(points []scenario.Point, latest float64, style draw.LineStyle) (*plotter.Line, error) {
	var line plotter.XYs
	for _, p := range points {
		if p[0] <= latest {
			line = append(line, plotter.XY{X: p[0], Y: p[1] / mbit})
		}
	}
	end := line[len(line)-1]
	l, err := plotter.NewLine(append(line, plotter.XY{X: math.Max(latest, 1), Y: end.Y}))
	if err != nil {
		return nil, err
	}
	l.StepStyle, l.LineStyle = plotter.PostStep, style
	return l, nil
}

func linkLegend(r scenario.Report) (*plot.Legend, error) {
	_, legend := page("")
	nothing := plotter.XYs{{}, {}, {}}
	for _, entry := range []struct {
		name string
		fill color.Color
	}{{"others", othersColour}, {r.System, ourColour}} {
		area, err := between(nothing, nothing, entry.fill)
		if err != nil {
			return nil, err
		}
		legend.Add(entry.name, area)
	}
	for _, entry := range []struct {
		name  string
		style draw.LineStyle
	}{{"capacity", capacityLine}, {"without the reserve", limitLine}} {
		line, err := plotter.NewLine(nothing)
		if err != nil {
			return nil, err
		}
		line.LineStyle = entry.style
		legend.Add(entry.name, line)
	}
	return legend, nil
}

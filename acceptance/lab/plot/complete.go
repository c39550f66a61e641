// Package plot draws what reports say, as SVG.
package plot

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/rackswarm/rackswarm/core/scenario"
)

const (
	width  = 24 * vg.Centimeter
	height = 12 * vg.Centimeter
	margin = 4 * vg.Millimeter
)

// Who looks at the plot may not have the font that it is laid out for.
const (
	ourFont = "font-family:Liberation Sans;"
	anyFont = "font-family:Liberation Sans,Arial,Helvetica,sans-serif;"
	slack   = 1.2 // times the legend's width: another font may be wider
)

// palette is that of Okabe and Ito, which the colour-blind can tell apart, with
// grey instead of its yellow, which is too light for a line. Beyond it, lines are dashed.
var palette = []color.NRGBA{
	{0xd5, 0x5e, 0x00, 0xff}, // vermillion
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0x00, 0x9e, 0x73, 0xff}, // bluish green
	{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
	{0x00, 0x00, 0x00, 0xff}, // black
	{0x99, 0x99, 0x99, 0xff}, // grey
}

var dashes = [][]vg.Length{nil, {6, 3}, {2, 2}}

// curve is a system's line: the repetition with the median last finish is thick.
type curve struct {
	system string
	median scenario.Report
	others []scenario.Report
	style  draw.LineStyle
}

// Complete draws how many nodes are complete over time, in seconds: a stepped line
// for each system, its other repetitions as thin ones, and the bound as a dashed
// vertical one. Reports of systems that were not run, or delivered nothing, have
// no line. Reports of no or of several scenarios are an error.
func Complete(w io.Writer, reports []scenario.Report) error {
	if len(reports) == 0 {
		return fmt.Errorf("plot: there are no reports")
	}
	name := reports[0].Scenario
	if i := slices.IndexFunc(reports, func(r scenario.Report) bool { return r.Scenario != name }); i >= 0 {
		return fmt.Errorf("plot: reports are of %s and of %s", name, reports[i].Scenario)
	}
	p, legend := page(name)
	all := curves(reports)
	for _, c := range all {
		if err := c.add(p, legend); err != nil {
			return fmt.Errorf("plot of %s: %w", c.system, err)
		}
	}
	if err := bound(p, legend, reports); err != nil {
		return fmt.Errorf("plot of the bound: %w", err)
	}
	p.X.Min, p.Y.Min = 0, 0
	p.X.Max, p.Y.Max = max(p.X.Max, 1)*1.02, max(p.Y.Max, 1)*1.05
	return write(w, p, legend)
}

// page is an empty diagram, and its legend, which stands beside it.
func page(title string) (*plot.Plot, *plot.Legend) {
	p, legend := plot.New(), plot.NewLegend()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "seconds since the distribution was accepted", "nodes complete"
	p.Title.Padding, p.X.Label.Padding, p.Y.Label.Padding = 8, 4, 4
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font,
		&p.Y.Label.TextStyle.Font, &p.Y.Tick.Label.Font, &legend.TextStyle.Font} {
		f.Variant = "Sans"
	}
	p.Title.TextStyle.Font.Size, legend.TextStyle.Font.Size = 14, 10
	legend.Top, legend.Left, legend.Padding, legend.ThumbnailWidth = true, true, 4, 24
	legend.YPosition = draw.PosCenter
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	return p, &legend
}

// ticks are at most eleven round numbers, at a distance of 1, 2 or 5 times a power
// of ten.
func ticks(least, most float64) []plot.Tick {
	power := math.Pow(10, math.Ceil(math.Log10((most-least)/10)))
	step := power
	for _, finer := range []float64{power / 2, power / 5} {
		if (most-least)/finer <= 10 {
			step = finer
		}
	}
	var all []plot.Tick
	for i := math.Ceil(least / step); i*step <= most; i++ {
		all = append(all, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 6, 64)})
	}
	return all
}

// curves are the lines to draw, a system's in the order in which they first come.
func curves(reports []scenario.Report) []curve {
	var all []curve
	for _, s := range scenario.Summarize(reports) {
		c := curve{system: s.System}
		for _, r := range reports {
			if r.System == s.System && len(r.Nodes) > 0 {
				c.others = append(c.others, r)
			}
		}
		if len(c.others) == 0 {
			continue
		}
		slices.SortStableFunc(c.others, func(a, b scenario.Report) int { return cmp.Compare(a.Last, b.Last) })
		middle := (len(c.others) - 1) / 2
		c.median = c.others[middle]
		c.others = slices.Delete(c.others, middle, middle+1)
		n := len(all)
		c.style = draw.LineStyle{Color: palette[n%len(palette)], Width: 2, Dashes: dashes[n/len(palette)%len(dashes)]}
		all = append(all, c)
	}
	return all
}

func (c curve) add(p *plot.Plot, legend *plot.Legend) error {
	thin := c.style
	thin.Width = 0.7
	for _, r := range c.others {
		line, err := steps(r, thin)
		if err != nil {
			return err
		}
		p.Add(line)
	}
	line, err := steps(c.median, c.style)
	if err != nil {
		return err
	}
	p.Add(line)
	legend.Add(fmt.Sprintf("%s, last %.1f s", c.system, c.median.Last), line)
	return nil
}

func steps(r scenario.Report, style draw.LineStyle) (*plotter.Line, error) {
	points := make(plotter.XYs, len(r.Complete))
	for i, point := range r.Complete {
		points[i] = plotter.XY{X: point[0], Y: point[1]}
	}
	if len(points) > 1 { // lines on the axis would hide each other
		points[0].X = points[1].X
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	line.StepStyle, line.LineStyle = plotter.PostStep, style
	return line, nil
}

// bound adds the bound's line up to the highest of the others.
func bound(p *plot.Plot, legend *plot.Legend, reports []scenario.Report) error {
	i := slices.IndexFunc(reports, func(r scenario.Report) bool { return r.Bound > 0 })
	if i < 0 {
		return nil
	}
	at := reports[i].Bound
	line, err := plotter.NewLine(plotter.XYs{{X: at, Y: 0}, {X: at, Y: max(p.Y.Max, 1) * 1.05}})
	if err != nil {
		return err
	}
	line.LineStyle = draw.LineStyle{Color: color.Gray{0x60}, Width: 1, Dashes: []vg.Length{4, 3}}
	p.Add(line)
	legend.Add(fmt.Sprintf("lower bound, %.1f s", at), line)
	return nil
}

// write draws the diagram on the left and the legend on the right.
func write(w io.Writer, p *plot.Plot, legend *plot.Legend) error {
	return writeRows(w, [][]*plot.Plot{{p}}, legend)
}

// writeRows draws diagrams one below the other, with their axes in line, and the
// legend to the right of them. One alone has the usual height.
func writeRows(w io.Writer, rows [][]*plot.Plot, legend *plot.Legend) error {
	first := rows[0][0]
	high := height
	if len(rows) > 1 {
		high = linkTitle + linkHeight*vg.Length(len(rows))
	}
	canvas := vgsvg.New(width, high)
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Path())
	inside := draw.Crop(whole, margin, -margin, margin, -margin)
	beside := legend.Rectangle(inside)
	side := (beside.Max.X-beside.Min.X)*slack + margin
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadY: margin}
	for i, row := range plot.Align(rows, tiles, draw.Crop(inside, 0, -side, 0, 0)) {
		rows[i][0].Draw(row[0])
	}
	top := first.Title.TextStyle.Height(first.Title.Text) + first.Title.Padding
	legend.Draw(draw.Crop(inside, inside.Max.X-inside.Min.X-side+margin, 0, 0, -top))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	if _, err := w.Write(bytes.ReplaceAll(svg.Bytes(), []byte(ourFont), []byte(anyFont))); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

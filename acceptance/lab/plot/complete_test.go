package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// report is of a system whose nodes finish around the given seconds.
func report(system string, n int, middle, width float64) scenario.Report {
	r := scenario.Report{Scenario: "figure-8", System: system, Bound: 144.7, Complete: []scenario.Point{{0, 0}}}
	for i := range n {
		t := middle + width*math.Sin(float64(i)/float64(n)*math.Pi-math.Pi/2)
		r.Nodes = append(r.Nodes, scenario.NodeReport{Finish: t})
		r.Complete = append(r.Complete, scenario.Point{t, float64(i + 1)})
		r.Last = t
	}
	return r
}

func reports() []scenario.Report {
	all := []scenario.Report{
		report("rackswarm", 17, 150, 3), report("rackswarm", 17, 153, 2), report("rackswarm", 17, 147, 1),
		report("plain", 17, 190, 40), report("libtorrent", 17, 230, 50), report("aria2", 17, 250, 30), report("static", 17, 300, 10),
		report("chain", 17, 320, 170), report("http", 17, 480, 60), report("sim", 17, 149, 2), {Scenario: "figure-8", System: "none", Missing: "x"},
	}
	return all
}

func TestComplete(t *testing.T) {
	var svg bytes.Buffer
	if err := Complete(&svg, reports()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(svg.String(), ourFont) || !strings.Contains(svg.String(), anyFont) {
		t.Error("a font that is not everywhere has no others to take its place")
	}
	var texts []string
	for decoder := xml.NewDecoder(&svg); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			texts = append(texts, string(text))
		}
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"figure-8", "nodes complete", "seconds since", "rackswarm, last 152.9 s", "chain, last", "lower bound, 144.7 s", "\n500\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in the plot's texts %q", want, texts)
		}
	}
	if strings.Contains(all, "none") {
		t.Error("a system that was not run is in the legend")
	}
}

// Nothing delivered, and one node at time 0, can be drawn, too.
func TestCompleteAtTheLimits(t *testing.T) {
	for _, r := range []scenario.Report{{}, {Missing: "x"}, {System: "a", Nodes: make([]scenario.NodeReport, 1), Complete: []scenario.Point{{0, 0}, {0, 1}}}} {
		var svg bytes.Buffer
		if err := Complete(&svg, []scenario.Report{r}); err != nil || !strings.Contains(svg.String(), "</svg>") {
			t.Errorf("%+v: %v", r, err)
		}
		if strings.Contains(svg.String(), "NaN") || strings.Contains(svg.String(), "Inf") {
			t.Errorf("%+v: coordinates that are no numbers", r)
		}
	}
}

func TestCompleteRejects(t *testing.T) {
	for want, all := range map[string][]scenario.Report{
		"no reports":        nil,
		"are of a and of b": {{Scenario: "a"}, {Scenario: "b"}},
	} {
		if err := Complete(io.Discard, all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %s", all, err, want)
		}
	}
}

// Lines that share a colour differ in their dashes.
func TestLinesDiffer(t *testing.T) {
	var all []scenario.Report
	for i := range 3 * len(palette) {
		all = append(all, report(fmt.Sprint("s", i), 2, 10, 1))
	}
	seen := map[string]bool{}
	for _, c := range curves(all) {
		seen[fmt.Sprint(c.style.Color, c.style.Dashes)] = true
	}
	if len(seen) != len(all) {
		t.Errorf("%d lines have %d looks", len(all), len(seen))
	}
}

package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// name becomes part of file names.
func (p *parse) name(key string, n ast.Node) {
	read(p.reader, &p.s.Name, "write for example figure-8: letters, digits, '.', '_' and '-'", func(s string) (string, error) {
		if _, err := unit.ParseNodeID(s); err != nil {
			return "", fmt.Errorf("%q cannot be part of a file's name", s)
		}
		return s, nil
	})(key, n)
}

func (p *parse) artifact(key string, n ast.Node) {
	a := &p.s.Artifact
	p.mapping(key, n, []field{
		{"size", p.bytes(&a.Size)},
		{"piece", p.piece},
		{"seed", p.seed(&a.Seed)},
		{"files", p.count(&a.Files, 1, 10_000_000)},
	})
}

func (p *parse) piece(key string, n ast.Node) {
	if text, ok := yamlnode.Scalar(n); ok && text == "auto" {
		return
	}
	a := &p.s.Artifact
	p.sound(func() { p.bytes(&a.Piece)(key, n) }, func() {
		if a.Piece < 16*unit.KiB || a.Piece&(a.Piece-1) != 0 {
			p.fail(n, key, "write a power of two from 16KiB, or auto", "cannot be a length of pieces")
		}
	})
}

func (p *parse) strategy(key string, n ast.Node) {
	s := &p.s.Strategy
	p.mapping(key, n, []field{
		{"overlay", p.flag(&s.Overlay)},
		{"division", p.flag(&s.Division)},
		{"stealing", p.flag(&s.Stealing)},
		{"lowLatency", p.flag(&s.LowLatency)},
		{"picker", choice(p.reader, &s.Picker, Random, Rarest, Sequential, Stealing, Market)},
	})
}

func (p *parse) window(key string, n ast.Node) {
	w := &p.s.Window
	p.sound(func() {
		p.mapping(key, n, []field{{"closes", p.duration(&w.Closes)}, {"opens", p.duration(&w.Opens)}})
	}, func() {
		if closed := w.Opens - w.Closes; closed <= 0 || closed%time.Minute != 0 {
			p.fail(n, key, "write for example {closes: 10s, opens: 70s}", "must be closed for whole minutes: windows begin and end on the minute")
		}
	})
}

func (p *parse) bandwidth(key string, n ast.Node) {
	b := &Bandwidth{Reserve: DefaultReserve, Interval: time.Second}
	p.s.Bandwidth = b
	p.mapping(key, n, []field{
		{"reserve", p.share(&b.Reserve)},
		{"snmp", p.flag(&b.SNMP)},
		{"interval", p.interval},
	})
}

func (p *parse) interval(key string, n ast.Node) {
	b := p.s.Bandwidth
	p.sound(func() { p.duration(&b.Interval)(key, n) }, func() {
		if b.Interval == 0 {
			p.fail(n, key, "write for example 1s", "must be more than nothing")
		}
	})
}

func (p *parse) security(key string, n ast.Node) {
	p.mapping(key, n, []field{{"tls", p.flag(&p.s.TLS)}})
}

func (p *parse) background(key string, n ast.Node) {
	p.list(key, n, func(key string, n ast.Node) {
		f := Flow{Proto: TCP}
		p.sound(func() { p.flow(&f, key, n) }, func() {
			p.ends(key, n, f.From, f.To)
			if f.Rate == 0 || f.Rate == unit.Unlimited {
				p.fail(n, join(key, "rate"), "write for example rate: 4Mbit", "is missing, nothing or unlimited")
			}
			if f.Stop != 0 && f.Stop <= f.Start {
				p.fail(n, join(key, "stop"), "write a later time than start, or leave stop out", "is not after start")
			}
		})
		p.s.Background = append(p.s.Background, f)
	})
}

func (p *parse) flow(f *Flow, key string, n ast.Node) {
	p.mapping(key, n, []field{
		{"from", p.node(&f.From)},
		{"to", p.node(&f.To)},
		{"rate", p.rate(&f.Rate)},
		{"start", p.duration(&f.Start)},
		{"stop", p.duration(&f.Stop)},
		{"proto", choice(p.reader, &f.Proto, TCP, UDP)},
	})
}

func (p *parse) probes(key string, n ast.Node) {
	p.list(key, n, func(key string, n ast.Node) {
		probe := Probe{Proto: UDP}
		p.sound(func() {
			p.mapping(key, n, []field{
				{"from", p.node(&probe.From)},
				{"to", p.node(&probe.To)},
				{"proto", choice(p.reader, &probe.Proto, UDP, HTTP)},
			})
		}, func() { p.ends(key, n, probe.From, probe.To) })
		p.s.Probes = append(p.s.Probes, probe)
	})
}

// ends checks that traffic has two different ends.
func (p *parse) ends(key string, n ast.Node, from, to unit.NodeID) {
	if from == "" || to == "" || from == to {
		p.fail(n, key, "write from: HOST, to: OTHERHOST", "needs two different hosts")
	}
}

func joined[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// read returns the reader of a scalar's field, whose text parse understands.
// What parse's error advises after "; write " is the fix, otherwise fix is.
func read[T any](r *reader, into *T, fix string, parse func(string) (T, error)) func(string, ast.Node) {
	return func(key string, n ast.Node) {
		text, ok := yamlnode.Scalar(n)
		if !ok {
			r.fail(n, key, fix, "a value is expected here, not %s", yamlnode.Form(n))
			return
		}
		v, err := parse(text)
		if err != nil {
			message, advice, advised := strings.Cut(err.Error(), "; write ")
			if advised {
				fix = "write " + advice
			}
			r.fail(n, key, fix, "%s", message)
			return
		}
		*into = v
	}
}

func (r *reader) flag(into *bool) func(string, ast.Node) {
	return func(key string, n ast.Node) {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			r.fail(n, key, "write true or false", "must be true or false, not %s", yamlnode.Form(n))
			return
		}
		*into = b.Value
	}
}

func (r *reader) bytes(into *unit.Bytes) func(string, ast.Node) {
	return read(r, into, "write for example 16MiB or 173MB", unit.ParseBytes)
}

// rate reads a rate. One without a unit is bytes per second: the format, which others
// write files in, does not forbid it.
func (r *reader) rate(into *unit.Rate) func(string, ast.Node) {
	return read(r, into, "write for example 10Mbit, 200KiB or unlimited", unit.ParseRate)
}

func (r *reader) duration(into *time.Duration) func(string, ast.Node) {
	return read(r, into, "write for example 20ms, 5s or 40m", parseDuration)
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration", s)
	case d < 0:
		return 0, fmt.Errorf("%q is negative", s)
	}
	return d, nil
}

// share reads a part of a whole: 0.2 or 20%, below 1.
func (r *reader) share(into *float64) func(string, ast.Node) {
	return read(r, into, "write for example 0.2 or 20%, less than 1", parseShare)
}

func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a share", s)
	}
	if percent {
		v /= 100
	}
	if !(v >= 0 && v < 1) {
		return 0, fmt.Errorf("%s is not between 0 and 1", s)
	}
	return v, nil
}

// count reads a whole number from least to most.
func (r *reader) count(into *int, least, most int) func(string, ast.Node) {
	fix := fmt.Sprintf("write a whole number from %d to %d", least, most)
	return read(r, into, fix, func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", s)
		}
		if v < least || v > most {
			return 0, fmt.Errorf("%d is out of range", v)
		}
		return v, nil
	})
}

func (r *reader) seed(into *uint64) func(string, ast.Node) {
	return read(r, into, "write a whole number", func(s string) (uint64, error) {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number that is not negative", s)
		}
		return v, nil
	})
}

// choice reads one of some words.
func choice[T ~string](r *reader, into *T, words ...T) func(string, ast.Node) {
	all := strings.Trim(fmt.Sprint(words), "[]")
	return read(r, into, "write one of: "+all, func(s string) (T, error) {
		if !slices.Contains(words, T(s)) {
			return "", fmt.Errorf("%q is not known", s)
		}
		return T(s), nil
	})
}

// capacity reads the rate of a link: one of 0 is none, and never means unlimited.
// fix says what to write instead.
func (r *reader) capacity(into *unit.Rate, fix string) func(string, ast.Node) {
	return func(key string, n ast.Node) {
		r.sound(func() { r.rate(into)(key, n) }, func() {
			if *into == 0 {
				r.fail(n, key, fix, "0 lets nothing pass")
			}
		})
	}
}

// link reads one rate for both directions, or up and down; what is not written
// stays as it is.
func (r *reader) link(into *topo.Link) func(string, ast.Node) {
	const fix = "write for example 10Mbit, or unlimited; what is cut off for a time is a fault, such as {at: 0s, partition: ams/r1}"
	return func(key string, n ast.Node) {
		if _, ok := n.(ast.MapNode); ok {
			r.mapping(key, n, []field{{"up", r.capacity(&into.Up, fix)}, {"down", r.capacity(&into.Down, fix)}})
			return
		}
		var both unit.Rate
		r.capacity(&both, fix)(key, n)
		*into = topo.Link{Up: both, Down: both}
	}
}

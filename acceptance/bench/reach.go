package main

import (
	"fmt"
	"strings"
)

// reach compares the figures with what the engine should reach: ratios in one
// run. A row is left out when its figures are.
func (r *report) reach() table {
	t := table{{"ratio", "is", "should be", ""}}
	add := func(name string, is float64, op string, wanted float64, unit string) {
		met := "no"
		if op == "≥" && is >= wanted || op == "<" && is < wanted || op == "≤" && is <= wanted {
			met = "yes"
		}
		t = append(t, []string{name, fmt.Sprintf("%.2f%s", is, unit), fmt.Sprintf("%s %g%s", op, wanted, unit), met})
	}
	over := func(name, kase, system string, of result, ok bool, wanted float64) {
		if mine, found := r.find(kase, system); found && ok {
			add(fmt.Sprintf("%s: %s ÷ %s", kase, system, name), mine.GiBPerS/of.GiBPerS, "≥", wanted, "")
		}
	}
	tuned, haveTuned := r.find("one-to-one", "anacrolix")
	over("anacrolix", "one-to-one", "rackswarm", tuned, haveTuned, 1.6)
	raw, haveRaw := r.find("one-to-one", "raw")
	for _, kase := range []string{"one-to-one", "one-to-six"} {
		fastest, ok := r.fastest(kase)
		name := "the fastest, " + fastest.System
		over(name, kase, "rackswarm", fastest, ok, map[string]float64{"one-to-one": 1.5, "one-to-six": 1.2}[kase])
		over(name, kase, "rackswarm-tls", fastest, ok, 0.9)
		if mine, found := r.find(kase, "rackswarm"); found && ok {
			add(fmt.Sprintf("%s: CPU per GiB, rackswarm ÷ %s", kase, fastest.System), mine.CPUSPerGiB/fastest.CPUSPerGiB, "≤", 0.8, "")
		}
	}
	over("raw", "one-to-one", "rackswarm", raw, haveRaw, 0.9)
	r.reachTrees(over)
	r.reachMemory(add)
	if c, ok := r.find("hash", "rackswarm"); ok && c.Ratio > 0 {
		add("hash: publishing ÷ SHA-256", c.Ratio, "≥", 0.8, "")
	}
	for _, c := range r.Cases {
		if c.ShareBefore > 0 {
			add("neighbour: share that stays in memory", c.Share/c.ShareBefore, "≥", 0.95, "")
		}
	}
	return t
}

// reachTrees compares the tree of small files with half of the big file's rate,
// or three times rsync's, whichever is more, and shows both for every tree.
func (r *report) reachTrees(over func(name, kase, system string, of result, ok bool, wanted float64)) {
	for _, c := range r.Cases {
		if !strings.HasPrefix(c.Case, "tree") || !strings.HasPrefix(c.System, "rackswarm") {
			continue
		}
		big, haveBig := r.find("one-to-one", c.System)
		rsync, haveRsync := r.find(c.Case, "rsync")
		if !strings.HasSuffix(c.Case, "-disk") {
			over("the big file", c.Case, c.System, big, haveBig, 0.5)
		}
		over("rsync", c.Case, c.System, rsync, haveRsync, 3)
	}
}

// megabyte is the unit of the bounds on memory.
const megabyte = 1e6

func (r *report) reachMemory(add func(name string, is float64, op string, wanted float64, unit string)) {
	for _, c := range r.Cases {
		if !strings.HasPrefix(c.System, "rackswarm") || c.RSSMiB == 0 {
			continue
		}
		wanted := 150.0
		switch {
		case c.Case == "idle":
			wanted = 40
		case strings.HasPrefix(c.Case, "tree-100k"):
			wanted = 250
		case c.Case == "hash" || c.Case == "neighbour":
			continue
		}
		add(c.Case+": memory of "+c.System, c.RSSMiB*(1<<20)/megabyte, "<", wanted, " MB")
	}
}

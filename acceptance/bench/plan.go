package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// kase is what moves to how many receivers, and which systems move it.
type kase struct {
	name      string
	receivers int
	content   func(*sources) *content
	disk      bool // the destination is on the disk, and synced
	systems   []system
}

// system is a way to move content.
type system struct {
	name   string
	move   carry
	traced bool // a round of its own, for START's way only
}

var ours = []system{{name: "rackswarm", move: rackswarm(false)}, {name: "rackswarm-tls", move: rackswarm(true)}}

// others are the clients that somebody could use instead.
var others = []system{
	{name: "anacrolix", move: spoken("anacrolix-peer", anacrolixTuned)},
	{name: "anacrolix-defaults", move: spoken("anacrolix-peer", anacrolixDefaults)},
	{name: "rtorrent", move: tracked("rtorrent", rtorrent)},
	{name: "libtorrent", move: spoken("libtorrent", libtorrent)},
	{name: "aria2", move: tracked("aria2", aria2)},
}

var traced = []system{{name: "rackswarm", move: rackswarm(false), traced: true}, {name: "rackswarm-tls", move: rackswarm(true), traced: true}}

var streams = []system{{name: "tar-nc", move: tarNC}, {name: "rsync", move: rsync}}

// cases are those that move content, in the order in which they run.
func cases() []kase {
	bigFile := func(s *sources) *content { return s.big }
	midFile := func(s *sources) *content { return s.mid }
	goTree := func(s *sources) *content { return s.goTree }
	manyTree := func(s *sources) *content { return s.many }
	trees := slices.Concat(ours, streams)
	return []kase{
		{name: "one-to-one", receivers: 1, content: bigFile, systems: slices.Concat(ours, others, []system{{name: "raw", move: spoken("raw", raw)}})},
		{name: "one-to-six", receivers: 6, content: midFile, systems: slices.Concat(ours, others, traced)},
		{name: "tree-go", receivers: 1, content: goTree, systems: trees},
		{name: "tree-100k", receivers: 1, content: manyTree, systems: trees},
		{name: "tree-go-disk", receivers: 1, content: goTree, systems: trees, disk: true},
		{name: "tree-100k-disk", receivers: 1, content: manyTree, systems: trees, disk: true},
	}
}

// filter chooses cases and systems by patterns such as "one-to-*",
// "rackswarm" or "tree-go/rsync". No pattern chooses everything.
type filter []string

func parseFilter(text string) (filter, error) {
	var f filter
	for _, p := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
		f = append(f, p)
	}
	return f, nil
}

func (f filter) chooses(kase, system string) bool {
	if len(f) == 0 {
		return true
	}
	return slices.ContainsFunc(f, func(p string) bool {
		if strings.Contains(p, "/") {
			return matches(p, kase+"/"+system)
		}
		return matches(p, kase) || matches(p, system)
	})
}

func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name) // the pattern was tried before
	return ok
}

// choose returns the cases that are left.
func (f filter) choose(all []kase) []kase {
	var left []kase
	for _, c := range all {
		c.systems = slices.DeleteFunc(slices.Clone(c.systems), func(s system) bool { return !f.chooses(c.name, s.name) })
		if len(c.systems) > 0 {
			left = append(left, c)
		}
	}
	return left
}

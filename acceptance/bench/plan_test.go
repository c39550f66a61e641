package main

import (
	"slices"
	"testing"
)

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		pattern, kase, system string
		want                  bool
	}{
		{"", "one-to-one", "raw", true},
		{"one-to-one", "one-to-one", "raw", true},
		{"one-to-one", "one-to-six", "raw", false},
		{"raw", "one-to-one", "raw", true},
		{"one-to-*/rackswarm", "one-to-six", "rackswarm", true},
		{"one-to-*/rackswarm", "one-to-six", "rackswarm-tls", false},
		{"one-to-*/rackswarm,aria2", "tree", "aria2", true},
		{"one-to-*/rackswarm, aria2", "tree", "rackswarm", false},
	} {
		f, err := parseFilter(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.chooses(c.kase, c.system); got != c.want {
			t.Errorf("%q chooses %s/%s: %v, want %v", c.pattern, c.kase, c.system, got, c.want)
		}
	}
	if _, err := parseFilter("one[,two"); err == nil {
		t.Error("a malformed pattern was accepted")
	}
}

func TestChooseLeavesTheRestAlone(t *testing.T) {
	all := cases()
	f, err := parseFilter("tree-go/rsync")
	if err != nil {
		t.Fatal(err)
	}
	left := f.choose(all)
	if len(left) != 1 || left[0].name != "tree-go" || len(left[0].systems) != 1 || left[0].systems[0].name != "rsync" {
		t.Errorf("left are %v", left)
	}
	if i := slices.IndexFunc(all, func(c kase) bool { return c.name == "tree-go" }); len(all[i].systems) != 4 {
		t.Errorf("the plan has %v now", all[i].systems)
	}
}

// No system of a case is always the first, and every one has its turn once in a
// repetition.
func TestOrderGoesRound(t *testing.T) {
	a, b := &kase{name: "a"}, &kase{name: "b"}
	bench := &bench{}
	for _, s := range []struct {
		kase *kase
		name string
	}{{a, "1"}, {a, "2"}, {a, "3"}, {b, "4"}, {b, "5"}} {
		bench.series = append(bench.series, &series{kase: s.kase, system: system{name: s.name}})
	}
	for n, want := range []string{"12345", "23154", "31245"} {
		got := ""
		for _, s := range bench.order(n) {
			got += s.system.name
		}
		if got != want {
			t.Errorf("repetition %d has the order %s, want %s", n, got, want)
		}
	}
}

func TestWhichContentIsNeeded(t *testing.T) {
	f, err := parseFilter("one-to-six")
	if err != nil {
		t.Fatal(err)
	}
	made := &sources{}
	chosen := f.choose(cases())
	if !needed(made, &made.mid, chosen) || needed(made, &made.big, chosen) || needed(made, &made.goTree, chosen) {
		t.Error("one-to-six needs the file of middle size, and nothing else")
	}
	if *made != (sources{}) {
		t.Errorf("asking left %v behind", made)
	}
}

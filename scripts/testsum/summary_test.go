package main

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	pass := `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.1}
`
	for _, c := range []struct {
		name, input string
		ok          bool
		want        string
	}{
		{"pass", pass, true, "Packages: 1 passed, 0 failed, 0 without tests\nTests: 1 passed, 0 failed, 0 skipped\n"},
		{"nothing", "", false, "no test ran"},
		{"package without tests", `{"Action":"skip","Package":"p"}`, false, "no test ran"},
		{"only skipped", `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: needs root\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`, false, "SKIP p TestA: a_test.go:3: needs root"},
		{"failure", pass + `{"Action":"output","Package":"q","Test":"TestB","Output":"wrong\n"}
{"Action":"fail","Package":"q","Test":"TestB"}
{"Action":"fail","Package":"q"}`, false, "--- FAIL q TestB\nwrong"},
		{"does not build", pass + `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: syntax error\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"fail","Package":"q","FailedBuild":"q"}`, false, "q.go:1: syntax error"},
		{"panic", `{"Action":"output","Package":"q","Test":"TestB","Output":"panic: boom\n"}
{"Action":"fail","Package":"q"}`, false, "--- UNFINISHED q TestB\npanic: boom"},
		{"not JSON", "go: no such tool\n" + pass, true, "go: no such tool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s := newSummary(&out)
			if err := s.read(strings.NewReader(c.input)); err != nil {
				t.Fatal(err)
			}
			if ok := s.finish(); ok != c.ok {
				t.Errorf("finish() = %v, want %v", ok, c.ok)
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("output lacks %q:\n%s", c.want, out.String())
			}
		})
	}
}

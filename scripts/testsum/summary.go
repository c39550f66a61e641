package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of "go test -json" (see "go doc test2json"), and of "go
// build -json" for what fails to build.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string // empty when the event is about the package
	Elapsed    float64
	Output     string
}

// testID names a test within one run.
type testID struct{ pkg, test string }

// summary counts results as they come in.
type summary struct {
	out                     io.Writer
	passed, failed, skipped int // tests and subtests
	packages, empty, broken int // packages: with tests, without any, failed
	output                  map[testID][]string
	skips                   []string
	ran                     map[string]int // tests that ran, by package
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[testID][]string{}, ran: map[string]int{}}
}

// read takes events until the end of r. Lines that are not JSON are printed as
// they are: the go command writes some messages past its own format.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprintln(s.out, strings.TrimRight(line, "\n"))
		return
	}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.out, e.Output)
	case e.Action == "output":
		id := testID{e.Package, e.Test}
		s.output[id] = append(s.output[id], e.Output)
	case e.Test != "":
		s.test(e)
	case e.Package != "":
		s.pkg(e)
	}
}

func (s *summary) test(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "pass":
		s.passed++
		s.ran[e.Package]++
	case "fail":
		s.failed++
		s.ran[e.Package]++
		fmt.Fprintf(s.out, "--- FAIL %s %s\n%s", e.Package, e.Test, strings.Join(s.output[id], ""))
	case "skip":
		s.skipped++
		s.skips = append(s.skips, skipLine(id, s.output[id]))
	default:
		return
	}
	delete(s.output, id)
}

// skipLine is one line that says which test was skipped and why.
func skipLine(id testID, output []string) string {
	reason := ""
	for _, l := range output {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "===") && !strings.HasPrefix(l, "---") {
			reason = ": " + l
		}
	}
	return id.pkg + " " + id.test + reason
}

func (s *summary) pkg(e event) {
	id := testID{e.Package, ""}
	switch e.Action {
	case "pass":
		if s.ran[e.Package] == 0 {
			s.empty++
			break
		}
		s.packages++
		fmt.Fprintf(s.out, "ok   %s  %d tests  %.1fs\n", e.Package, s.ran[e.Package], e.Elapsed)
	case "skip":
		s.empty++
	case "fail":
		s.broken++
		s.unfinished(e.Package)
		fmt.Fprintf(s.out, "FAIL %s  %.1fs\n%s", e.Package, e.Elapsed, strings.Join(s.output[id], ""))
	default:
		return
	}
	delete(s.output, id)
}

// unfinished prints what tests wrote that neither passed nor failed, as after a
// panic or a timeout.
func (s *summary) unfinished(pkg string) {
	for id, lines := range s.output {
		if id.pkg == pkg && id.test != "" {
			fmt.Fprintf(s.out, "--- UNFINISHED %s %s\n%s", id.pkg, id.test, strings.Join(lines, ""))
			delete(s.output, id)
		}
	}
}

// finish prints the totals and reports whether the run is a success.
func (s *summary) finish() bool {
	for _, skip := range s.skips {
		fmt.Fprintf(s.out, "SKIP %s\n", skip)
	}
	fmt.Fprintf(s.out, "Packages: %d passed, %d failed, %d without tests\n", s.packages, s.broken, s.empty)
	fmt.Fprintf(s.out, "Tests: %d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	switch {
	case s.failed > 0 || s.broken > 0:
		fmt.Fprintln(s.out, "FAILED")
		return false
	case s.passed == 0:
		fmt.Fprintln(s.out, "FAILED: no test ran")
		return false
	}
	return true
}

package trace

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

var everyEvent = []Event{
	Anchor{1_795_000_000_000_000_000},
	Join{Location: "ams1/rsn-27", Initial: true}, Leave{}, Role{"representative of ams1"},
	Slot{Location: "ams1", Slot: 1, Held: true}, Connect{"b"}, Disconnect{"b", "no longer named by the overlay"},
	Start{Peer: "b", Spans: []uint32{3, 4}}, Stop{Peer: "b", Spans: []uint32{3}, Received: true},
	Have{Peer: "b", Spans: []uint32{0}}, DontHave{Peer: "b", Spans: []uint32{9}},
	Request{"b", 3, 16384, 1 << 20}, Block{"b", 3, 16384, 1 << 20, true},
	Span{Span: 3, Stored: true}, Span{Span: 3, Reason: "corrupt"}, Complete{},
}

func lineOf(e Event) Line {
	return Line{At: 1500, Clock: 7, Node: "a", Transfer: artifact.Digest{0xab}, Event: e}
}

func mustAppend(t testing.TB, l Line) []byte {
	t.Helper()
	text, err := Append(nil, l)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRoundTrip(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range everyEvent {
		seen[e.kind()] = true
		text := mustAppend(t, lineOf(e))
		if bytes.Count(text, []byte("\n")) != 1 || !bytes.HasSuffix(text, []byte("\n")) {
			t.Errorf("%s is not one line: %q", e.kind(), text)
		}
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, lineOf(e)) {
			t.Errorf("%s came back as %v, %v", text, got, err)
		}
	}
	for kind := range decoders {
		if !seen[kind] {
			t.Errorf("event %s is not tested", kind)
		}
	}
}

func TestLineReadsPlainly(t *testing.T) {
	got := string(mustAppend(t, lineOf(Have{Peer: "b", Spans: []uint32{0, 1}})))
	want := `{"at":1500,"clock":7,"node":"a","transfer":"sha256:ab` + strings.Repeat("0", 62) + `","event":"have","data":{"peer":"b","spans":[0,1]}}` + "\n"
	if got != want {
		t.Errorf("line is %s, want %s", got, want)
	}
}

func TestAppendKeepsWhatWasThere(t *testing.T) {
	got, err := Append([]byte("before\n"), Line{})
	if err == nil || string(got) != "before\n" {
		t.Errorf("a line without event: %q, %v", got, err)
	}
}

func TestParseRejects(t *testing.T) {
	good := string(mustAppend(t, lineOf(Complete{})))
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {"", "not a JSON object"},
		"null":               {"null", "not a JSON object"},
		"more than a line":   {good + good, "after the object"},
		"unknown event":      {strings.Replace(good, "complete", "explode", 1), `unknown event "explode"`},
		"unknown field":      {strings.Replace(good, `"clock"`, `"clocks"`, 1), "clocks"},
		"unknown data":       {strings.Replace(good, `{}`, `{"x":1}`, 1), "trace event complete"},
		"no data":            {strings.Replace(good, `,"data":{}`, ``, 1), "not a JSON object"},
		"no node":            {strings.Replace(good, `"node":"a"`, `"node":""`, 1), "node name"},
		"a digest cut short": {strings.Replace(good, `00"`, `"`, 1), "trace line"},
		"too long":           {good + strings.Repeat(" ", MaxLine), "at most"},
	} {
		if _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// What parses comes back the same after writing it and parsing it again.
func FuzzParse(f *testing.F) {
	for _, e := range everyEvent {
		f.Add(mustAppend(f, lineOf(e)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(mustAppend(t, l))
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%v became %v, %v", l, again, err)
		}
	})
}

func TestClockCounts(t *testing.T) {
	var c Clock
	for want := uint64(1); want < 4; want++ {
		if got := c.Next(); got != want {
			t.Errorf("event %d has time %d", want, got)
		}
	}
}

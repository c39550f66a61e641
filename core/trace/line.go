package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// MaxLine bounds a line that Parse takes, in bytes.
const MaxLine = 1 << 20

// Line is an event with when, where and in which transfer it happened.
type Line struct {
	At       unit.Time       // by the node's own clock, nanoseconds since its start
	Clock    uint64          // logical: see Clock
	Node     unit.NodeID     // where
	Transfer artifact.Digest // the artifact that the transfer moves
	Event    Event
}

// line is a Line as JSON.
type line struct {
	At       unit.Time       `json:"at"`
	Clock    uint64          `json:"clock"`
	Node     unit.NodeID     `json:"node"`
	Transfer artifact.Digest `json:"transfer"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
}

// Append appends the line to dst with a final newline. It fails only when the
// line has no event or a text in it does not encode.
func Append(dst []byte, l Line) ([]byte, error) {
	if l.Event == nil {
		return dst, errors.New("encode trace line: no event")
	}
	data, err := json.Marshal(l.Event)
	if err != nil {
		return dst, fmt.Errorf("encode trace event %s: %w", l.Event.kind(), err)
	}
	text, err := json.Marshal(line{l.At, l.Clock, l.Node, l.Transfer, l.Event.kind(), data})
	if err != nil {
		return dst, fmt.Errorf("encode trace line of event %s: %w", l.Event.kind(), err)
	}
	return append(append(dst, text...), '\n'), nil
}

// Parse reads one line. Unknown events and unknown fields are errors, so that a
// trace of another version is not half understood.
func Parse(text []byte) (Line, error) {
	if len(text) > MaxLine {
		return Line{}, fmt.Errorf("trace line of %d bytes: at most %d are allowed", len(text), MaxLine)
	}
	var l line
	if err := strict(text, &l); err != nil {
		return Line{}, fmt.Errorf("trace line: %w", err)
	}
	if _, err := unit.ParseNodeID(string(l.Node)); err != nil {
		return Line{}, fmt.Errorf("trace line: %w", err)
	}
	decode, ok := decoders[l.Event]
	if !ok {
		return Line{}, fmt.Errorf("trace line: unknown event %q", l.Event)
	}
	event, err := decode(l.Data)
	if err != nil {
		return Line{}, fmt.Errorf("trace event %s: %w", l.Event, err)
	}
	return Line{l.At, l.Clock, l.Node, l.Transfer, event}, nil
}

// decoders finds the type of an event by its name.
var decoders = map[string]func([]byte) (Event, error){
	Anchor{}.kind():     decode[Anchor],
	Join{}.kind():       decode[Join],
	Leave{}.kind():      decode[Leave],
	Role{}.kind():       decode[Role],
	Slot{}.kind():       decode[Slot],
	Connect{}.kind():    decode[Connect],
	Disconnect{}.kind(): decode[Disconnect],
	Start{}.kind():      decode[Start],
	Stop{}.kind():       decode[Stop],
	Have{}.kind():       decode[Have],
	DontHave{}.kind():   decode[DontHave],
	Request{}.kind():    decode[Request],
	Block{}.kind():      decode[Block],
	Span{}.kind():       decode[Span],
	Complete{}.kind():   decode[Complete],
}

func decode[E Event](data []byte) (Event, error) {
	var e E
	if err := strict(data, &e); err != nil {
		return nil, err
	}
	return e, nil
}

// strict decodes exactly one JSON object with no unknown fields.
func strict(text []byte, into any) error {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return fmt.Errorf("%d bytes after the object", len(rest))
	}
	return nil
}

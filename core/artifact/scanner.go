package artifact

import (
	"errors"
	"fmt"
	"strings"
)

// scanner reads canonical bencode (BEP 3) from a string: no leading zeros, and
// dictionary keys in strictly ascending order. Strings that it returns are
// parts of the input. After the first error every method returns zero values,
// so that only err need be looked at in the end.
type scanner struct {
	in  string
	pos int
	err error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d: %s", s.pos, what)
	}
}

// failErr records an error about the value before pos.
func (s *scanner) failErr(err error) {
	if s.err == nil && err != nil {
		s.err = err
	}
}

// peek returns the next byte, 0 at the end and after an error.
func (s *scanner) peek() byte {
	if s.err != nil || s.pos >= len(s.in) {
		return 0
	}
	return s.in[s.pos]
}

// open enters a dictionary ('d') or a list ('l').
func (s *scanner) open(kind byte) {
	if s.peek() != kind {
		s.fail(fmt.Sprintf("expected %q", kind))
		return
	}
	s.pos++
}

// more reports whether another element follows, and leaves the dictionary or
// list if not.
func (s *scanner) more() bool {
	switch s.peek() {
	case 0:
		s.fail("ends early")
		return false
	case 'e':
		s.pos++
		return false
	}
	return true
}

// keys are the keys of a dictionary as they are read.
type keys struct {
	last string
	any  bool
}

// next reads a key, or reports false at the end of the dictionary.
func (s *scanner) next(k *keys) (string, bool) {
	if !s.more() {
		return "", false
	}
	key := s.string()
	if k.any && key <= k.last {
		s.fail(fmt.Sprintf("key %.40q is not in ascending order", key))
	}
	k.last, k.any = key, true
	return key, s.err == nil
}

// string reads a string.
func (s *scanner) string() string {
	n := s.digits(':')
	if s.err != nil {
		return ""
	}
	if n > int64(len(s.in)-s.pos) {
		s.fail("a string ends early")
		return ""
	}
	v := s.in[s.pos : s.pos+int(n)]
	s.pos += int(n)
	return v
}

// number reads an integer that is not negative.
func (s *scanner) number() int64 {
	s.open('i')
	if s.peek() == '-' {
		s.fail("negative number")
	}
	return s.digits('e')
}

// digits reads a number up to and with its end mark.
func (s *scanner) digits(end byte) int64 {
	const maxDigits = 19 // of 2⁶³-1
	if s.err != nil {
		return 0
	}
	text := s.in[s.pos:min(len(s.in), s.pos+maxDigits+1)]
	length := strings.IndexByte(text, end)
	if length < 0 {
		s.fail("not a number")
		return 0
	}
	v, err := parseDigits(text[:length])
	if err != nil {
		s.fail(err.Error())
		return 0
	}
	s.pos += length + 1
	return v
}

func parseDigits(text string) (int64, error) {
	if text == "" || len(text) > 1 && text[0] == '0' {
		return 0, errors.New("not a number in its only form")
	}
	var v uint64
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, errors.New("not a number")
		}
		v = v*10 + uint64(text[i]-'0')
	}
	if v >= 1<<63 {
		return 0, errors.New("number too large")
	}
	return int64(v), nil
}

// skip passes over one value of any kind.
func (s *scanner) skip() {
	for depth := 0; s.err == nil; {
		switch c := s.peek(); {
		case c == 'd' || c == 'l':
			s.pos++
			depth++
		case c == 'e' && depth > 0:
			s.pos++
			depth--
		case c == 'i':
			s.number()
		default:
			s.string()
		}
		if depth == 0 {
			return
		}
	}
}

// end checks that nothing follows.
func (s *scanner) end() {
	if s.err == nil && s.pos != len(s.in) {
		s.fail("bytes follow the end")
	}
}

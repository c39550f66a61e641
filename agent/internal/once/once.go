// Package once keeps a log from saying the same again and again.
package once

import (
	"maps"
	"time"
)

// Again is after what time the same is news again.
const Again = 10 * time.Minute

// Said is what was said lately. The zero value is ready; it is owned by one goroutine.
type Said struct{ last map[string]saying }

type saying struct {
	text string
	at   time.Time
}

// News reports whether text is to be said of a subject at now: if something else was said
// of it last, or nothing for Again. If so it counts as said.
func (s *Said) News(now time.Time, subject, text string) bool {
	maps.DeleteFunc(s.last, func(_ string, l saying) bool { return now.Sub(l.at) >= Again })
	if l, ok := s.last[subject]; ok && l.text == text {
		return false
	}
	if s.last == nil {
		s.last = map[string]saying{}
	}
	s.last[subject] = saying{text, now}
	return true
}

package once

import (
	"testing"
	"time"
)

func TestTheSameIsNewsAgainAfterAWhile(t *testing.T) {
	var s Said
	began := time.Unix(0, 0)
	for i, step := range []struct {
		at            time.Duration
		subject, text string
		want          bool
	}{
		{0, "a", "x", true},
		{time.Second, "a", "x", false},
		{time.Second, "b", "x", true},
		{time.Second, "a", "y", true},
		{2 * time.Second, "a", "y", false},
		{Again, "b", "x", false},
		{Again + time.Second - 1, "a", "y", false},
		{Again + time.Second, "a", "y", true},
		{Again + time.Second, "b", "x", true},
	} {
		if got := s.News(began.Add(step.at), step.subject, step.text); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	if len(s.last) != 2 {
		t.Errorf("%d subjects are known", len(s.last))
	}
}

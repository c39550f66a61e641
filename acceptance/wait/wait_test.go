package wait

import (
	"errors"
	"testing"
	"time"
)

func TestUntilGivesUp(t *testing.T) {
	broken := errors.New("it is broken")
	tries := 0
	err := Until(t.Context(), time.Hour, "it works", func() error {
		if tries++; tries == 1 {
			return errors.New("not yet")
		}
		return Stop{Err: broken}
	})
	if !errors.Is(err, broken) || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

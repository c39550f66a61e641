package show

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestPrinterWritesWhatAShellReads(t *testing.T) {
	p := New(os.Stdout, "/tmp/demo")
	for arg, want := range map[string]string{"name=go": "name=go", "a b": "'a b'", "it's": `'it'\''s'`} {
		if got := p.Quote(arg); got != want {
			t.Errorf("%s is quoted as %s, not %s", arg, got, want)
		}
	}
	if got := p.Short("rm /tmp/demo/x"); got != "rm $D/x" {
		t.Errorf("the directory is not shortened: %s", got)
	}
}

func TestEventuallyGivesUp(t *testing.T) {
	broken := errors.New("it is broken")
	tries := 0
	err := Eventually(t.Context(), time.Hour, "it works", func() error {
		if tries++; tries == 1 {
			return errors.New("not yet")
		}
		return StopWaiting{Err: broken}
	})
	if !errors.Is(err, broken) || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

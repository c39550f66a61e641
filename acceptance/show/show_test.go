package show

import (
	"os"
	"testing"
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

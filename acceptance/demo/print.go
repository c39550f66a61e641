package main

import (
	"fmt"
	"os"

	"github.com/rackswarm/rackswarm/acceptance/show"
	"github.com/rackswarm/rackswarm/core/unit"
)

// introduce says what the commands rely on, in the checkout at top.
func introduce(out *show.Printer, top, dir string) {
	if wd, err := os.Getwd(); err == nil && wd == top {
		top = "$PWD"
	}
	fmt.Fprintf(out.Out, "   $ D=%s PATH=%s/bin:$PATH\n", dir, top)
}

func size(n int64) string { return unit.Bytes(n).String() }

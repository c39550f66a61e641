// Command testsum reads the output of "go test -json" from standard input,
// prints one line per package and everything that a failed test wrote, and ends
// with plain totals. It exits with status 1 when anything failed, and also when
// no test ran: a run that tests nothing must not look like a success.
package main

import (
	"fmt"
	"os"
)

func main() {
	sum := newSummary(os.Stdout)
	if err := sum.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "testsum: %v\n", err)
		os.Exit(1)
	}
	if !sum.finish() {
		os.Exit(1)
	}
}

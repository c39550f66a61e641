// Command skeleton is a driver to begin with: copy this directory, and replace
// engine.go by your engine. It drives a table of keys and values that is its own
// server, "skeleton serve DIR", and passes pluginapi/conformance.
package main

import (
	"fmt"
	"os"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pluginapi.ServeDatabaseDriver(driver{})
}

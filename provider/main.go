// Command terraform-provider-rackswarm is the Terraform provider of rackswarm.
// Terraform starts it; it talks to agents through their control interface.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/rackswarm/rackswarm/provider/internal/provider"
)

// version is set by the build.
var version = "dev"

// address is the source address under which users require the provider.
const address = "registry.terraform.io/rackswarm/rackswarm"

func main() {
	debug := flag.Bool("debug", false, "serve for a debugger, and print how Terraform attaches")
	flag.Parse()
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{Address: address, Debug: *debug})
	if err != nil {
		fmt.Fprintln(os.Stderr, "terraform-provider-rackswarm:", err)
		os.Exit(1)
	}
}

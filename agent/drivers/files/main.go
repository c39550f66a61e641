// Command rackswarm-driver-files is the driver for plain directories, and for
// whatever keeps its data in one and can be stopped. The agent starts it.
package main

import (
	"github.com/rackswarm/rackswarm/agent/drivers/files/internal/filesdriver"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// version is set by the linker.
var version = "dev"

func main() { pluginapi.ServeDatabaseDriver(filesdriver.Driver{Version: version}) }

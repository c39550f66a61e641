// Command rackswarm-driver-postgres is the driver for PostgreSQL. The agent
// starts it.
package main

import (
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgdriver"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// version is set by the linker.
var version = "dev"

func main() { pluginapi.ServeDatabaseDriver(pgdriver.Driver{Version: version}) }

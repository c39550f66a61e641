// Command sensor is a bandwidth sensor to begin with: copy this directory, and
// replace what Read reads. It takes the use of links from a file, which something
// else writes, and passes pluginapi/conformance.
package main

import "github.com/rackswarm/rackswarm/core/pluginapi"

func main() { pluginapi.ServeBandwidthSensor(sensor{}) }

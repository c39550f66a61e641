package pluginhost

// Kind is what a program does.
type Kind string

// The kinds.
const (
	KindDriver Kind = "driver" // of a database: pluginapi.DatabaseDriver
	KindSensor Kind = "sensor" // of links: pluginapi.BandwidthSensor
)

// Prefix begins the file name of a driver's program, SensorPrefix that of a
// sensor's; what follows is the name.
const (
	Prefix       = "rackswarm-" + string(KindDriver) + "-"
	SensorPrefix = "rackswarm-" + string(KindSensor) + "-"
)

func (k Kind) prefix() string { return "rackswarm-" + string(k) + "-" }

// main is the function that a program of the kind has to call.
func (k Kind) main() string {
	if k == KindSensor {
		return "pluginapi.ServeBandwidthSensor"
	}
	return "pluginapi.ServeDatabaseDriver"
}

package pluginhost

import (
	"os"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

func target(do string) pluginapi.Target {
	return pluginapi.Target{Name: "main", DataDir: "/nowhere", Settings: map[string]string{"do": do}}
}

func TestADriverAnswers(t *testing.T) {
	h, _ := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	described, err := d.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if described.Name != "fake" || !slices.Equal(described.Versions, []string{"1", "2"}) || !described.Pins || described.Replicas ||
		len(described.Settings) != 1 || described.Settings[0] != (pluginapi.Setting{Name: "do", Help: "what to do", Required: true}) {
		t.Errorf("described as %+v", described)
	}
	probe, err := d.Probe(t.Context(), target(""))
	if err != nil || probe.Kind != pluginapi.KindAbsent {
		t.Fatalf("probe: %+v, %v", probe, err)
	}
	if probe.PID == os.Getpid() {
		t.Error("the driver is no process of its own")
	}
	if probe.Version != "rackswarm-drive" {
		t.Errorf("the process is called %q", probe.Version)
	}
	again, err := d.Probe(t.Context(), target(""))
	if err != nil || again.PID != probe.PID {
		t.Errorf("the second call went to process %d, the first to %d: %v", again.PID, probe.PID, err)
	}
	h.Close()
	if _, err := os.Stat("/proc/" + itoa(probe.PID)); err == nil {
		t.Error("the process runs after Close")
	}
}

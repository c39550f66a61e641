package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginapi/conformance"
)

func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "links")
	conformance.TestSensor(t, conformance.SensorConfig{
		Program:  conformance.BuildSensor(t, ".", "skeleton"),
		Settings: map[string]string{"file": path},
		Set: func(t *testing.T, readings []pluginapi.LinkReading) {
			text := ""
			for _, r := range readings {
				text += fmt.Sprintln(r.Link, r.Up, r.Down, r.UpCapacity)
			}
			write(t, path, text)
		},
	})
}

// write replaces a file, so that whoever reads it meanwhile has one or the other.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".next", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatAreNoMeasurements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "links")
	settings := map[string]string{"file": path}
	if _, err := (sensor{}).Read(t.Context(), settings, nil); err == nil || !strings.Contains(err.Error(), "no measurements yet") {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"ams 1 2\n": "has 3 words", "ams 1 2 x\n": `"x" is no number`, "ams 1 -2 3\n": `"-2" is no number`, "\n": "has 0 words",
	} {
		write(t, path, text)
		if _, err := (sensor{}).Read(t.Context(), settings, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

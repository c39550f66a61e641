package main

import (
	"path/filepath"
	"testing"
)

// Agents are started in directories of their own.
func TestTheAgentsDirectoryIsAbsolute(t *testing.T) {
	want, err := filepath.Abs("agents")
	if err != nil {
		t.Fatal(err)
	}
	o, err := parseOptions([]string{"-bin", "agents", "a.yaml"})
	if err != nil || o.bin != want {
		t.Errorf("-bin agents is %q, %v; want %q", o.bin, err, want)
	}
}

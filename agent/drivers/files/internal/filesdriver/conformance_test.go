package filesdriver_test

import (
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginapi/conformance"
)

const program = "github.com/rackswarm/rackswarm/agent/drivers/files"

func TestConformance(t *testing.T) {
	conformance.Test(t, conformance.Config{
		Program: conformance.Build(t, program, "files"),
		Source: func(t *testing.T, dir string) pluginapi.Target {
			target := source(t)
			withSleeper(t, &target)
			do(t, driver.Start(t.Context(), target))
			return target
		},
		Member: func(t *testing.T, dir string, _ pluginapi.Target) pluginapi.Target {
			target := pluginapi.Target{Name: "member", DataDir: filepath.Join(dir, "data")}
			withSleeper(t, &target)
			return target
		},
		Role: pluginapi.AsStandalone,
		Same: func(t *testing.T, source, member pluginapi.Target) { same(t, source.DataDir, member.DataDir) },
	})
}

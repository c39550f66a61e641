package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginapi/conformance"
)

func TestConformance(t *testing.T) {
	program := conformance.Build(t, ".", "skeleton")
	conformance.Test(t, conformance.Config{
		Program: program,
		Source: func(t *testing.T, dir string) pluginapi.Target {
			return startTable(t, program, filepath.Join(dir, "data"))
		},
		Member: func(t *testing.T, dir string, _ pluginapi.Target) pluginapi.Target {
			data := filepath.Join(dir, "data")
			t.Cleanup(func() { killServer(t, data) }) // of a test that failed
			return pluginapi.Target{Name: "member", DataDir: data, Settings: map[string]string{"log": filepath.Join(dir, "log")}}
		},
		Role: pluginapi.AsStandalone,
		Same: func(t *testing.T, source, member pluginapi.Target) {
			for _, target := range []pluginapi.Target{source, member} {
				if got, err := ask(t.Context(), target.DataDir, "get greeting"); err != nil || got != "hello world" {
					t.Errorf("%s says %q, %v", target.Name, got, err)
				}
			}
		},
	})
}

// startTable makes a table with content and runs its server.
func startTable(t *testing.T, program, dir string) pluginapi.Target {
	t.Helper()
	if err := create(dir); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "serve", dir)
	server.Stderr = t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	awaitAnswer(t, dir)
	if got, err := ask(t.Context(), dir, "set greeting hello world"); err != nil || got != "ok" {
		t.Fatalf("set: %q, %v", got, err)
	}
	return pluginapi.Target{Name: "source", DataDir: dir}
}

func killServer(t *testing.T, dir string) {
	t.Helper()
	pid, err := serverPID(dir)
	if err != nil || pid == 0 {
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func awaitAnswer(t *testing.T, dir string) {
	t.Helper()
	for {
		if answer, err := ask(t.Context(), dir, "ping"); err == nil && answer == "pong" {
			return
		}
		if err := pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A table follows no other: that is refused before anything is touched.
func TestReplicasAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := create(dir); err != nil {
		t.Fatal(err)
	}
	err := driver{}.Configure(context.Background(), pluginapi.Target{Name: "main", DataDir: dir},
		pluginapi.ConfigureRequest{Dir: dir, Role: pluginapi.AsReplica})
	if own, ok := err.(*pluginapi.Error); !ok || own.Code != pluginapi.CodeUnsupported { //nolint:errorlint // as it is returned
		t.Error(err)
	}
}

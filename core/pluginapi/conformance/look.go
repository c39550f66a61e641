package conformance

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

func (s *suite) describe(t *testing.T) {
	ctx, cancel := s.limit(t)
	defer cancel()
	d, err := s.driver.Describe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.description = d
	if d.Engine == "" || d.Version == "" || len(d.Versions) == 0 {
		t.Errorf("engine %q, version %q, engine's versions %q: each has to be told", d.Engine, d.Version, d.Versions)
	}
	checkSettings(t, d.Settings)
	if s.Role == pluginapi.AsReplica && !d.Replicas {
		t.Error("the driver says that it has no replicas, and is tested with one")
	}
}

func checkSettings(t *testing.T, settings []pluginapi.Setting) {
	t.Helper()
	seen := map[string]bool{}
	for _, setting := range settings {
		if setting.Name == "" || setting.Help == "" {
			t.Errorf("setting %+v: name and help have to be told", setting)
		}
		if seen[setting.Name] {
			t.Errorf("two settings have the name %q", setting.Name)
		}
		seen[setting.Name] = true
	}
}

// target tells an instance with the settings of a member, and with data as its
// data directory.
func (s *suite) target(t *testing.T, data string) pluginapi.Target {
	t.Helper()
	dir := directory(t)
	target := s.Member(t, dir, pluginapi.Target{Name: "none", DataDir: filepath.Join(dir, "none")})
	target.DataDir = data
	return target
}

func (s *suite) probeOfNothing(t *testing.T) {
	dir := directory(t)
	empty, foreign, file := filepath.Join(dir, "empty"), filepath.Join(dir, "foreign"), filepath.Join(dir, "file")
	for _, d := range []string{empty, foreign} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{file, filepath.Join(foreign, "letter.txt")} {
		if err := os.WriteFile(f, []byte("Dear all,\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]pluginapi.Kind{
		filepath.Join(dir, "absent"): pluginapi.KindAbsent, empty: pluginapi.KindEmpty,
		foreign: pluginapi.KindForeign, file: pluginapi.KindForeign,
	} {
		target := s.target(t, path)
		before := snapshot(t, dir)
		s.must(t, "probe of "+path, func(ctx context.Context) error {
			p, err := s.driver.Probe(ctx, target)
			if err == nil && p.Kind != want {
				t.Errorf("%s is %q, want %q", path, p.Kind, want)
			}
			return err
		})
		if after := snapshot(t, dir); !maps.Equal(before, after) {
			t.Errorf("Probe of %s changed something: %v became %v", path, before, after)
		}
	}
}

func (s *suite) unknownSetting(t *testing.T) {
	target := s.target(t, filepath.Join(directory(t), "absent"))
	target.Settings = maps.Clone(target.Settings)
	if target.Settings == nil {
		target.Settings = map[string]string{}
	}
	target.Settings["no_such_setting"] = "1"
	ctx, cancel := s.limit(t)
	defer cancel()
	_, err := s.driver.Probe(ctx, target)
	if code := codeOf(err); code != pluginapi.CodeInvalid {
		t.Errorf("Probe with a setting that Describe does not name: %v; want an error with code %q", err, pluginapi.CodeInvalid)
	}
}

func (s *suite) startOfNothing(t *testing.T) {
	target := s.target(t, filepath.Join(directory(t), "absent"))
	ctx, cancel := s.limit(t)
	defer cancel()
	if err := s.driver.Start(ctx, target); err == nil {
		t.Error("Start of a data directory that is not there succeeded")
	}
	if _, err := os.Lstat(target.DataDir); err == nil {
		t.Error("Start made a data directory")
	}
	s.must(t, "Stop of an instance that does not run", func(ctx context.Context) error { return s.driver.Stop(ctx, target) })
	h, err := s.driver.Health(ctx, target, pluginapi.HealthRequest{Role: s.Role, Member: "none", MaxLag: 1 << 20})
	if err != nil || h.Healthy || h.Fault == pluginapi.FaultNone || h.Fault.Final() {
		t.Errorf("Health of an instance that does not run: %+v, %v; want the fault %q", h, err, pluginapi.FaultDown)
	}
	s.must(t, "Cleanup of nothing", func(ctx context.Context) error { return s.driver.Cleanup(ctx, target, "nobody") })
}

func (s *suite) noSuchPin(t *testing.T) {
	source := s.Source(t, directory(t))
	s.must(t, "Unpin of nothing", func(ctx context.Context) error { return s.driver.Unpin(ctx, source, "no_such_pin") })
	if s.description.Pins {
		return
	}
	ctx, cancel := s.limit(t)
	defer cancel()
	if _, err := s.driver.Pin(ctx, source, "p"); codeOf(err) != pluginapi.CodeUnsupported {
		t.Errorf("Pin of a driver that says it has none: %v; want code %q", err, pluginapi.CodeUnsupported)
	}
}

// codeOf returns the code of a driver's error, "" for none.
func codeOf(err error) string {
	own := (*pluginapi.Error)(nil)
	if !errors.As(err, &own) {
		return ""
	}
	return own.Code
}

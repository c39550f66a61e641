package conformance

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

const (
	runName    = "conformance_run"
	memberName = "conformance_member"
	maxLag     = 16 << 20
)

// capture captures source into an empty directory beside the member's data.
func (s *suite) capture(t *testing.T, source, member pluginapi.Target, pin string) (dir string, captured pluginapi.Capture) {
	t.Helper()
	dir = staging(t, member)
	ctx, cancel := s.limit(t)
	defer cancel()
	captured, err := s.driver.Capture(ctx, source, pluginapi.CaptureRequest{Dir: dir, Run: runName, Pin: pin}, nil)
	if err != nil {
		t.Fatalf("Capture: %v", err)
	}
	if captured.Version == "" || captured.Bytes <= 0 {
		t.Errorf("Capture says version %q and %d bytes: both have to be told", captured.Version, captured.Bytes)
	}
	return dir, captured
}

// restore goes all the way from a running source to a member that is stopped and
// started again. Each method is called twice.
func (s *suite) restore(t *testing.T) {
	source, member := s.pair(t)
	s.wantKind(t, source, pluginapi.KindPrimary, pluginapi.KindReplica)
	pin := s.pin(t, source)
	dir, captured := s.capture(t, source, member, pin)
	s.wantKind(t, source, pluginapi.KindPrimary, pluginapi.KindReplica)

	before := snapshot(t, dir)
	s.must(t, "Verify", func(ctx context.Context) error { return s.driver.Verify(ctx, member, dir, nil) })
	if !maps.Equal(before, snapshot(t, dir)) {
		t.Error("Verify changed the captured files")
	}
	s.must(t, "Configure", func(ctx context.Context) error {
		return s.driver.Configure(ctx, member, pluginapi.ConfigureRequest{Dir: dir, Role: s.Role, Member: memberName, Pin: pin})
	})
	if err := os.Rename(dir, member.DataDir); err != nil {
		t.Fatal(err)
	}
	s.wantKind(t, member, pluginapi.KindStopped)
	for range 2 {
		s.must(t, "Start", func(ctx context.Context) error { return s.driver.Start(ctx, member) })
		s.becomesHealthy(t, member, captured.ClusterID)
		s.Same(t, source, member)
		s.killDriver(t)
		s.becomesHealthy(t, member, captured.ClusterID) // a server outlives the driver that started it
		s.must(t, "Stop", func(ctx context.Context) error { return s.driver.Stop(ctx, member) })
		s.wantKind(t, member, pluginapi.KindStopped)
		if left := usersOf(t, member.DataDir); len(left) > 0 {
			t.Errorf("after Stop these use the data: %q", left)
		}
	}
	s.must(t, "Cleanup", func(ctx context.Context) error { return s.driver.Cleanup(ctx, member, memberName) })
	if pin != "" {
		s.must(t, "Unpin", func(ctx context.Context) error { return s.driver.Unpin(ctx, source, runName) })
	}
	s.wantKind(t, source, pluginapi.KindPrimary, pluginapi.KindReplica)
}

// killDriver kills the driver's process, and returns when another answers.
func (s *suite) killDriver(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(processOf(t, s.Program), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := s.limit(t)
	defer cancel()
	for {
		_, err := s.driver.Describe(ctx)
		if err == nil {
			return
		}
		if !pluginhost.Retryable(err) {
			t.Fatal(err)
		}
	}
}

// pin pins the source if the driver can, and returns the name under which.
func (s *suite) pin(t *testing.T, source pluginapi.Target) string {
	t.Helper()
	if !s.description.Pins {
		return ""
	}
	var first pluginapi.Pin
	s.must(t, "Pin", func(ctx context.Context) error {
		p, err := s.driver.Pin(ctx, source, runName)
		if first.ID == "" {
			first = p
		}
		if err == nil && (p.ID == "" || p.ID != first.ID || p.Lost) {
			t.Errorf("Pin returns %+v, after %+v", p, first)
		}
		return err
	})
	s.must(t, "PinStatus", func(ctx context.Context) error {
		p, err := s.driver.PinStatus(ctx, source, runName)
		if err == nil && (p.ID != first.ID || p.Lost) {
			t.Errorf("PinStatus returns %+v, Pin had returned %+v", p, first)
		}
		return err
	})
	return runName
}

// wantKind fails unless Probe finds one of kinds.
func (s *suite) wantKind(t *testing.T, target pluginapi.Target, kinds ...pluginapi.Kind) {
	t.Helper()
	s.must(t, "Probe", func(ctx context.Context) error {
		p, err := s.driver.Probe(ctx, target)
		if err != nil {
			return err
		}
		runs := p.Kind == pluginapi.KindPrimary || p.Kind == pluginapi.KindReplica
		if runs != (p.PID != 0) || p.Version == "" || p.Bytes <= 0 {
			t.Errorf("Probe found %+v: a process if it runs, a version and a size have to be told", p)
		}
		for _, k := range kinds {
			if p.Kind == k {
				return nil
			}
		}
		t.Errorf("Probe found %q, want %q", p.Kind, kinds)
		return nil
	})
}

// becomesHealthy waits for it; a final fault ends the test.
func (s *suite) becomesHealthy(t *testing.T, member pluginapi.Target, cluster string) {
	t.Helper()
	ctx, cancel := s.limit(t)
	defer cancel()
	for {
		h, err := s.driver.Health(ctx, member, pluginapi.HealthRequest{Role: s.Role, Member: memberName, ClusterID: cluster, MaxLag: maxLag})
		switch {
		case err != nil:
			t.Fatalf("Health: %v", err)
		case h.Healthy && h.Fault != pluginapi.FaultNone:
			t.Fatalf("healthy with a fault: %+v", h)
		case h.Healthy && h.Writable != (s.Role == pluginapi.AsStandalone):
			t.Fatalf("a healthy %s: %+v", s.Role, h)
		case h.Healthy:
			return
		case h.Fault == pluginapi.FaultNone || h.Message == "":
			t.Fatalf("neither healthy nor a fault with a message: %+v", h)
		case h.Fault.Final():
			t.Fatalf("a final fault: %+v", h)
		}
		time.Sleep(100 * time.Millisecond) // between two looks, as an agent does
	}
}

// damage changes one byte of each captured file in turn.
func (s *suite) damage(t *testing.T) {
	source, member := s.pair(t)
	dir, _ := s.capture(t, source, member, "")
	tried := 0
	for _, name := range some(regularFiles(t, dir), 24) {
		if s.Undetected(name) {
			continue
		}
		tried++
		path := filepath.Join(dir, name)
		flip(t, path)
		ctx, cancel := s.limit(t)
		err := s.driver.Verify(ctx, member, dir, nil)
		cancel()
		if codeOf(err) != pluginapi.CodeCorrupt {
			t.Errorf("Verify with a changed byte in %s: %v; want code %q", name, err, pluginapi.CodeCorrupt)
		}
		flip(t, path)
	}
	if tried == 0 {
		t.Error("Config.Undetected leaves no file: Verify cannot be tested")
	}
	s.must(t, "Verify of what was mended", func(ctx context.Context) error { return s.driver.Verify(ctx, member, dir, nil) })
}

// some returns up to n of all, evenly.
func some(all []string, n int) []string {
	if len(all) <= n {
		return all
	}
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = all[i*len(all)/n]
	}
	return chosen
}

// flip changes the byte in the middle of a file, or changes it back.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// cancelledCapture cancels a capture that has begun.
func (s *suite) cancelledCapture(t *testing.T) {
	s.interruptedCapture(t, func(cancel context.CancelFunc) { cancel() }, func(err error) {
		if err == nil || codeOf(err) != "" {
			t.Errorf("a cancelled Capture: %v; want the context's error", err)
		}
	})
}

// killedCapture kills the driver during a capture.
func (s *suite) killedCapture(t *testing.T) {
	s.interruptedCapture(t, func(context.CancelFunc) {
		if err := syscall.Kill(processOf(t, s.Program), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}, func(err error) {
		if !pluginhost.Retryable(err) {
			t.Errorf("Capture whose driver was killed: %v; want an error that may be retried", err)
		}
	})
}

// interruptedCapture interrupts a capture as slow as the driver can, as soon as it
// tells its progress, has check look at its error, and makes it again.
func (s *suite) interruptedCapture(t *testing.T, interrupt func(context.CancelFunc), check func(error)) {
	source, member := s.pair(t)
	dir := staging(t, member)
	ctx, cancel := s.limit(t)
	defer cancel()
	began := false
	_, err := s.driver.Capture(ctx, source, pluginapi.CaptureRequest{Dir: dir, Run: runName, MaxRate: 1}, func(pluginapi.Progress) {
		if !began {
			began = true
			interrupt(cancel)
		}
	})
	if !began {
		t.Fatalf("Capture told no progress: %v", err)
	}
	if err == nil {
		t.Fatal("Capture at one byte per second was done before it could be interrupted: it takes no notice of MaxRate")
	}
	check(err)
	awaitNoUsers(t, dir)
	s.wantKind(t, source, pluginapi.KindPrimary, pluginapi.KindReplica)
	dir, _ = s.capture(t, source, member, "")
	s.must(t, "Verify", func(ctx context.Context) error { return s.driver.Verify(ctx, member, dir, nil) })
}

// awaitNoUsers returns when nothing uses dir. What was killed may take a moment.
func awaitNoUsers(t *testing.T, dir string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := usersOf(t, dir)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("these run on after an interrupted Capture: %q", left)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

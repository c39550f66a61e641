package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

func target(do string) pluginapi.Target {
	return pluginapi.Target{Name: "main", DataDir: "/nowhere", Settings: map[string]string{"do": do}}
}

func TestADriverAnswers(t *testing.T) {
	t.Parallel()
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

func TestWhatADriverSaysArrivesWhole(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	var seen []pluginapi.Progress
	captured, err := d.Capture(t.Context(), target(""), pluginapi.CaptureRequest{Run: "run", Pin: "pin", MaxRate: 1 << 40},
		func(p pluginapi.Progress) { seen = append(seen, p) })
	if want := (pluginapi.Capture{Version: "1", Start: "pin", End: "run", Bytes: 1 << 40}); err != nil || captured != want {
		t.Errorf("captured %+v, %v", captured, err)
	}
	if last := seen[len(seen)-1]; last != (pluginapi.Progress{Doing: "copying", Done: 1000, Total: 1000}) {
		t.Errorf("the last progress is %+v", last)
	}
	if len(seen) > 100 {
		t.Errorf("%d messages of progress for a thousand steps", len(seen))
	}
	pin, err := d.Pin(t.Context(), target(""), "hold")
	if err != nil || pin != (pluginapi.Pin{ID: "hold", Position: "0/1", Lost: true}) {
		t.Errorf("pinned %+v, %v", pin, err)
	}
	health, err := d.Health(t.Context(), target(""), pluginapi.HealthRequest{Role: pluginapi.AsReplica, Member: "m", ClusterID: "c", MaxLag: 9})
	if err != nil || health != (pluginapi.Health{Healthy: true, Position: "mc", LagBytes: 9, Fault: pluginapi.FaultLagging}) {
		t.Errorf("health %+v, %v", health, err)
	}
}

func TestErrorsOfADriver(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	for do, want := range map[string]pluginapi.Error{
		"fail":      {Code: pluginapi.CodeState, Subject: "/nowhere", Message: "not \uFFFD now", Fix: "later"},
		"plain":     {Code: pluginapi.CodeInternal, Message: "just text"},
		"nil error": {Code: pluginapi.CodeInternal, Message: "the driver returned a nil *pluginapi.Error as an error"},
		"panic": {Code: pluginapi.CodeInternal, Subject: "Probe", Message: "the driver panicked: index out of luck",
			Fix: "this is an error in the driver; its stack is in the agent's log"},
		"huge": {Code: pluginapi.CodeInternal, Subject: "Probe", Message: "a message was longer than 1048576 bytes"},
	} {
		_, err := d.Probe(t.Context(), target(do))
		if own := (*pluginapi.Error)(nil); !errors.As(err, &own) || *own != want {
			t.Errorf("%s: %v, want %v", do, err, &want)
		}
		if Retryable(err) {
			t.Errorf("%s: may be retried", do)
		}
	}
	err := d.Verify(t.Context(), target(""), "/dir", nil)
	if own := (*pluginapi.Error)(nil); !errors.As(err, &own) || own.Code != pluginapi.CodeCorrupt || own.Subject != "/dir" {
		t.Errorf("verify: %v", err)
	}
	if err := d.Cleanup(t.Context(), target(""), "m"); err == nil || Retryable(err) {
		t.Errorf("a method that the driver lacks: %v", err)
	}
	if d := database4(t, h, "fake"); d != nil {
		h.Close()
	}
	if !strings.Contains(log.String(), "fakeDriver") {
		t.Error("the log lacks the stack of the panic")
	}
}

func TestAProcessThatEndsFailsItsCallAndIsStartedAgain(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	for do, how := range map[string]string{"exit": "exit status 4", "die": "signal: killed"} {
		before, err := d.Probe(t.Context(), target(""))
		if err != nil {
			t.Fatal(err)
		}
		to := target(do)
		to.Settings["why"] = "the moon is wrong"
		_, err = d.Probe(t.Context(), to)
		own := (*Error)(nil)
		if !errors.As(err, &own) || own.Driver != "fake" || own.Reason != ReasonCrashed || !strings.Contains(own.Message, how) {
			t.Errorf("%s: %v", do, err)
		}
		if do == "exit" && !strings.Contains(own.Message, "giving up: the moon is wrong") {
			t.Errorf("%s: the last words are not in %q", do, own.Message)
		}
		if !Retryable(err) {
			t.Errorf("%s: may not be retried", do)
		}
		after, err := d.Probe(t.Context(), target(""))
		if err != nil || after.PID == before.PID {
			t.Errorf("%s: the next call: %+v, %v", do, after, err)
		}
	}
	if !strings.Contains(log.String(), "a driver's process ended") {
		t.Errorf("the log says nothing of the ends: %s", log)
	}
}

func TestACallUnderWayElsewhereFailsWithItsProcess(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	waits := target("wait")
	waits.DataDir = filepath.Join(t.TempDir(), "began")
	failed := make(chan error, 1)
	go func() {
		_, err := d.Probe(t.Context(), waits)
		failed <- err
	}()
	await(t, waits.DataDir)
	if _, err := d.Probe(t.Context(), target("die")); !Retryable(err) {
		t.Errorf("the call that killed it: %v", err)
	}
	if err := <-failed; !Retryable(err) {
		t.Errorf("the call beside it: %v", err)
	}
}

func TestACancelledCallReturnsWhenTheDriverEndedIt(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{Grace: time.Hour}, program(t, "fake"))
	d := database4(t, h, "fake")
	before, err := d.Probe(t.Context(), target(""))
	if err != nil {
		t.Fatal(err)
	}
	waits := target("wait")
	waits.DataDir = filepath.Join(t.TempDir(), "began")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await(t, waits.DataDir)
		cancel()
	}()
	if _, err := d.Probe(ctx, waits); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := d.Probe(ctx, waits); !errors.Is(err, context.DeadlineExceeded) || Retryable(err) {
		t.Errorf("out of time: %v", err)
	}
	after, err := d.Probe(t.Context(), target(""))
	if err != nil || after.PID != before.PID {
		t.Errorf("the process did not outlast cancelled calls: %+v, %v", after, err)
	}
}

func TestADriverThatIgnoresTheEndOfACallIsKilled(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{Grace: time.Millisecond}, program(t, "fake"))
	d := database4(t, h, "fake")
	for name, hang := range map[string]func(context.Context, pluginapi.Target) error{
		"Probe": func(ctx context.Context, to pluginapi.Target) error {
			_, err := d.Probe(ctx, to)
			return err
		},
		"Capture": func(ctx context.Context, to pluginapi.Target) error {
			_, err := d.Capture(ctx, to, pluginapi.CaptureRequest{}, nil)
			return err
		},
	} {
		before, err := d.Probe(t.Context(), target(""))
		if err != nil {
			t.Fatal(err)
		}
		hangs := target("hang")
		hangs.DataDir = filepath.Join(t.TempDir(), "began")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			await(t, hangs.DataDir)
			cancel()
		}()
		err = hang(ctx, hangs)
		own := (*Error)(nil)
		if !errors.As(err, &own) || own.Reason != ReasonHangs || !errors.Is(err, context.Canceled) || !Retryable(err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat("/proc/" + itoa(before.PID)); err == nil {
			t.Errorf("%s: the process runs on", name)
		}
		if _, err := d.Probe(t.Context(), target("")); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestProgramsOfADriverEndWithItUnlessTheyLeftItsGroup(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"crash", "hang", "close"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			h, _ := newHost(t, Config{Grace: time.Millisecond}, program(t, "fake"))
			d := database4(t, h, "fake")
			probe, err := d.Probe(t.Context(), target(""))
			if err != nil {
				t.Fatal(err)
			}
			to := target("children")
			to.DataDir = t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() {
				_, err := d.Probe(ctx, to)
				failed <- err
			}()
			await(t, filepath.Join(to.DataDir, "ready"))
			tool, server := pidIn(t, to.DataDir, "tool"), pidIn(t, to.DataDir, "server")
			defer syscall.Kill(server, syscall.SIGKILL)
			switch end {
			case "crash":
				if err := syscall.Kill(probe.PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			case "hang":
				cancel()
			case "close":
				h.Close()
			}
			if err := <-failed; err == nil {
				t.Error("the call succeeded")
			}
			awaitEnd(t, tool)
			if !runs(server) {
				t.Error("the server in a session of its own ended, too")
			}
		})
	}
}

// An agent that is killed closes nothing: the kernel does.
func TestADriverEndsWithItsAgent(t *testing.T) {
	t.Parallel()
	run := shortDir(t)
	agent := exec.Command(os.Args[0])
	agent.Env = append(os.Environ(), agentVariable+"="+run+" "+catalogOf(t, program(t, "fake")))
	agent.Stderr = t.Output()
	says, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(says, &pid); err != nil {
		t.Error(err)
	}
	if err := errors.Join(agent.Process.Kill(), ignoreExit(agent.Wait())); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, pid)
	if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// A service manager signals all processes of the agent, which goes on until its
// calls are done.
func TestADriverOutlastsSignals(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	probe, err := d.Probe(t.Context(), target(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		if err := syscall.Kill(probe.PID, s); err != nil {
			t.Fatal(err)
		}
		if again, err := d.Probe(t.Context(), target("")); err != nil || again.PID != probe.PID {
			t.Errorf("after %v: %+v, %v", s, again, err)
		}
	}
}

func TestCloseEndsAProcessThatStandsStill(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, program(t, "fake"))
	probe, err := database4(t, h, "fake").Probe(t.Context(), target(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(probe.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if runs(probe.PID) {
		t.Error("it runs after Close")
	}
}

// The catalogue covers a script, though not what interprets it.
func TestAScriptIsExecuted(t *testing.T) {
	t.Parallel()
	p := filepath.Join(t.TempDir(), Prefix+"script")
	script := exec.Command("sh", "-c", `printf '#!/bin/sh\necho this is sh\n' >"$0" && chmod 755 "$0"`, p) // see program
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h, _ := newHost(t, Config{}, p)
	if _, err := h.Database(t.Context(), "script"); err == nil || !strings.Contains(err.Error(), `first line is "this is sh"`) {
		t.Error(err)
	}
}

func TestADriverSeesNothingOfTheAgentsEnvironment(t *testing.T) {
	t.Setenv("RACKSWARM_SECRET", "s3cret")
	t.Setenv("HOME", "/root/of/all")
	secret := filepath.Join(t.TempDir(), "secret")
	f, err := os.Create(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, _ := newHost(t, Config{}, program(t, "fake"))
	probe, err := database4(t, h, "fake").Probe(t.Context(), target("env"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"PATH", "LANG", "TMPDIR", pluginapi.Handshake.MagicCookieKey,
		"PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_CLIENT_CERT", "PLUGIN_UNIX_SOCKET_DIR"}
	for _, variable := range probe.Outside {
		if name, _, _ := strings.Cut(variable, "="); !slices.Contains(allowed, name) {
			t.Errorf("the driver sees %s", name)
		}
	}
	if probe.Position != "" {
		t.Errorf("the driver has open: %s", probe.Position)
	}
}

func TestSocketsArePrivate(t *testing.T) {
	t.Parallel()
	run := shortDir(t)
	h, _ := newHost(t, Config{RunDir: run}, program(t, "fake"))
	database4(t, h, "fake")
	info, err := os.Stat(h.launch.dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the sockets' directory: %v, %v", info.Mode(), err)
	}
	sockets, _ := filepath.Glob(filepath.Join(h.launch.dir, "*", "*"))
	if len(sockets) != 1 {
		t.Errorf("sockets: %q", sockets)
	}
	h.Close()
	if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
		t.Errorf("Close left %v, %v", left, err)
	}
}

func TestWhatADriverWritesIsInTheLog(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	for _, do := range []string{"log", "chatter"} {
		if _, err := d.Probe(t.Context(), target(do)); err != nil {
			t.Fatal(err)
		}
	}
	h.Close()
	text := log.String()
	for _, want := range []string{`level=WARN msg="slow disk" driver=fake device=sda ms=12`, `level=INFO msg="by hand" driver=fake`, `level=INFO msg="on stdout" driver=fake`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := strings.Count(text, "\n"); n > burstLines+10 {
		t.Errorf("ten thousand lines of the driver became %d of the log", n)
	}
}

func TestProgramsThatAreNoDrivers(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		reason Reason
		text   string
	}{
		"mute":      {ReasonCrashed, "was not ready: it ended with exit status 0"},
		"broken":    {ReasonCrashed, "exit status 3; its last words: no libengine.so here"},
		"asleep":    {ReasonCrashed, "was not ready: it was killed, as it did not answer"},
		"loud":      {ReasonIncompatible, `its first line is "welcome to the database driver"`},
		"flood":     {ReasonIncompatible, "does not speak as a driver does"},
		"future":    {ReasonIncompatible, `speaks version "7" of the drivers' protocol, this agent version 1`},
		"naked":     {ReasonIncompatible, "offers no TLS"},
		"elsewhere": {ReasonCrashed, `listens on tcp "127.0.0.1:1"`},
		"impostor":  {ReasonIncompatible, `calls itself driver "postgres"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Config{}
			if name == "asleep" {
				c.StartTimeout = 100 * time.Millisecond
			}
			h, _ := newHost(t, c, program(t, name))
			_, err := h.Database(t.Context(), name)
			if own := (*Error)(nil); !errors.As(err, &own) || own.Reason != want.reason || own.Driver != name || !strings.Contains(err.Error(), want.text) {
				t.Errorf("%v, want %q with %q", err, want.reason, want.text)
			}
			if Retryable(err) != (want.reason == ReasonCrashed) {
				t.Errorf("retryable: %v", Retryable(err))
			}
		})
	}
}

func TestADriverThatCrashesOftenIsLeftAlone(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{Policy: Policy{Backoff: time.Millisecond, Crashes: 3, CoolDown: time.Hour}}, program(t, "broken"))
	for range 3 {
		if _, err := h.Database(t.Context(), "broken"); !Retryable(err) {
			t.Fatal(err)
		}
	}
	_, err := h.Database(t.Context(), "broken")
	own := (*Error)(nil)
	if !errors.As(err, &own) || own.Reason != ReasonUnhealthy || own.RetryAfter <= 0 || !Retryable(err) {
		t.Fatalf("the fourth start: %v", err)
	}
	for _, part := range []string{"crashed 3 times", "no libengine.so here", "see the agent's log"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

func TestAnUnusedProcessIsEnded(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, Config{Idle: time.Millisecond}, program(t, "fake"))
	d := database4(t, h, "fake")
	probe, err := d.Probe(t.Context(), target(""))
	if err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, probe.PID)
	if again, err := d.Probe(t.Context(), target("")); err != nil || again.PID == probe.PID {
		t.Errorf("after a rest: %+v, %v", again, err)
	}
	if strings.Contains(log.String(), "a driver's process ended") {
		t.Error("a rest was taken for a crash")
	}
}

func TestNothingStartsAfterClose(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, program(t, "fake"))
	d := database4(t, h, "fake")
	h.Close()
	_, err := d.Describe(t.Context())
	if own := (*Error)(nil); !errors.As(err, &own) || own.Reason != ReasonClosed {
		t.Errorf("a call: %v", err)
	}
	if _, err := h.Database(t.Context(), "fake"); Retryable(err) || err == nil {
		t.Errorf("Database: %v", err)
	}
}

// await returns when path exists.
func await(t *testing.T, path string) {
	t.Helper()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-t.Context().Done():
			t.Errorf("%s does not appear", path)
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// awaitEnd returns when the process has ended.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for runs(pid) {
		select {
		case <-t.Context().Done():
			t.Errorf("process %d does not end", pid)
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// runs reports whether a process runs; one that nobody waits for runs no more.
func runs(pid int) bool {
	status, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func pidIn(t *testing.T, dir, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// shortDir is a temporary directory whose path leaves room for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rs-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

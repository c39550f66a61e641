package hook_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/core/api"
)

func shell(script string) hook.Command {
	return hook.Command{Argv: []string{"/bin/sh", "-c", script}, Timeout: time.Minute}
}

func TestHookIsToldWhatIsSwitched(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "secret")
	out := filepath.Join(t.TempDir(), "env")
	set := hook.Set{"note": shell("env >" + out + "; pwd >>" + out)}
	w := hook.Switch{Distribution: "app", Digest: "sha256:new", Path: "/srv/app", Staged: "/srv/.rackswarm-app/tree", Previous: "sha256:old"}
	if err := set.Run(t.Context(), []string{"note"}, w); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RACKSWARM_DISTRIBUTION=app", "RACKSWARM_DIGEST=sha256:new", "RACKSWARM_PATH=/srv/app",
		"RACKSWARM_STAGED=/srv/.rackswarm-app/tree", "RACKSWARM_PREVIOUS_DIGEST=sha256:old", "PATH=/", "\n/\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("the agent's environment is passed on:\n%s", text)
	}
}

// The first that fails ends it, and says why.
func TestHookRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ran")
	set := hook.Set{
		"fine": shell("true"), "silent": shell("exit 3"), "never": shell("touch " + file),
		"talks": shell("seq 1 100000; printf 'almost\\n\\033[2Jdrained: 3 left\\n' >&2; exit 1"),
		"gone":  {Argv: []string{"/nonexistent"}, Timeout: time.Minute},
		"who":   {Argv: []string{"/bin/true"}, Timeout: time.Minute, User: "nobody-of-that-name"},
	}
	for name, want := range map[string]string{
		"silent": "exit status 3", "talks": "almost |  [2Jdrained: 3 left", "gone": "no such file",
		"who": "does not know the user", "missing": "no hook of this name",
	} {
		err := set.Run(t.Context(), []string{"fine", name, "never"}, hook.Switch{})
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeRefused || e.Subject != "hook "+name || !strings.Contains(e.Message, want) || e.Fix == "" || len(e.Message) > 1200 {
			t.Errorf("%s: %+v", name, err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a hook was run after one that refused")
	}
}

// What a hook started goes with it when its time is over, or when it is not
// wanted any more.
func TestHookIsKilledAsAGroup(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		cancel  bool
	}{"timeout": {200 * time.Millisecond, false}, "cancelled": {time.Minute, true}} {
		t.Run(name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "alive")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			set := hook.Set{"hangs": shell("(echo begun; exec sleep 1000) >" + fifo + "; sleep 1000")}
			h := set["hangs"]
			h.Timeout = c.timeout
			set["hangs"] = h
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- set.Run(ctx, []string{"hangs"}, hook.Switch{}) }()
			f, err := os.Open(fifo)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var line string
			if _, err := fmt.Fscanln(f, &line); err != nil || line != "begun" {
				t.Fatalf("%q, %v", line, err)
			}
			if c.cancel {
				cancel()
			}
			err = <-ended
			var e *api.Error
			switch {
			case c.cancel && !errors.Is(err, context.Canceled):
				t.Errorf("cancelled: %v", err)
			case !c.cancel && (!errors.As(err, &e) || !strings.Contains(e.Message, "was killed")):
				t.Errorf("timed out: %v", err)
			}
			// The grandchild held the other end: now nobody does.
			if n, err := f.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("read %d, %v", n, err)
			}
		})
	}
}

// A service that a hook starts outlives it.
func TestHookMayLeaveSomethingRunning(t *testing.T) {
	set := hook.Set{"start": shell("sleep 5 & exit 0")}
	if err := set.Run(t.Context(), []string{"start"}, hook.Switch{}); err != nil {
		t.Error(err)
	}
}

func TestHookOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	set := hook.Set{"who": {Argv: []string{"/bin/sh", "-c", `test "$(id -u)" = 65534`}, Timeout: time.Minute, User: "65534"}}
	if err := set.Run(t.Context(), []string{"who"}, hook.Switch{}); err != nil {
		t.Error(err)
	}
}

func TestFingerprint(t *testing.T) {
	set := hook.Set{"a": shell("true"), "b": shell("false")}
	same := set.Fingerprint("a")
	if set.Fingerprint("b") == same || set.Fingerprint("a", "b") == same {
		t.Error("other hooks have the same fingerprint")
	}
	h := set["a"]
	h.Timeout++
	if (hook.Set{"a": h}).Fingerprint("a") == same {
		t.Error("a changed hook has the same fingerprint")
	}
	if name := set.Lacks("a", "c", "b"); name != "c" {
		t.Errorf("lacks %q", name)
	}
}

// An agent without the capabilities for another user says which it lacks.
func TestHookOfAUserThatTheAgentMayNotBecome(t *testing.T) {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		if os.Geteuid() == 0 {
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
				t.Errorf("setresuid: %v", errno)
			}
		}
		set := hook.Set{"who": {Argv: []string{"/bin/true"}, Timeout: time.Minute, User: "0"}}
		ended <- set.Run(t.Context(), []string{"who"}, hook.Switch{})
	}()
	err := <-ended
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != api.CodeRefused || e.Subject != "hook who" || !strings.Contains(e.Message, "as user 0") || !strings.Contains(e.Fix, "CAP_SETUID") {
		t.Errorf("got %+v", err)
	}
}

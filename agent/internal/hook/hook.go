package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// DefaultTimeout is how long a hook may take that has no timeout of its own.
const DefaultTimeout = 30 * time.Second

// path is where a hook finds programs; nothing of the agent's own environment,
// which may hold secrets, is passed on.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Command is one hook of the configuration.
type Command struct {
	Argv    []string      `json:"command"` // the program's absolute path, then its arguments
	Timeout time.Duration `json:"timeout"` // then all of its process group is killed
	User    string        `json:"user,omitempty"`
}

// Set are the hooks of a node, by name.
type Set map[string]Command

// Lacks returns the first name that there is no hook of, "" if there are all.
func (s Set) Lacks(names ...string) string {
	for _, name := range names {
		if _, ok := s[name]; !ok {
			return name
		}
	}
	return ""
}

// Fingerprint differs if anything about the named hooks differs.
func (s Set) Fingerprint(names ...string) string {
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, name := range names {
		_ = e.Encode(name)    // a hash takes everything,
		_ = e.Encode(s[name]) // and there is nothing that cannot be encoded
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Switch is what hooks are told, as environment variables.
type Switch struct {
	Distribution string
	Digest       string // of the new content
	Path         string // where it belongs
	Staged       string // where it is before the switch, "" after it
	Previous     string // digest of what stood before, "" for nothing
}

func (s Switch) environ() []string {
	env := []string{path}
	for _, v := range []struct{ name, value string }{
		{"DISTRIBUTION", s.Distribution}, {"DIGEST", s.Digest}, {"PATH", s.Path},
		{"STAGED", s.Staged}, {"PREVIOUS_DIGEST", s.Previous},
	} {
		env = append(env, "RACKSWARM_"+v.name+"="+v.value)
	}
	return env
}

// Run runs the named hooks one after the other, up to the first that fails. That
// error is an *api.Error with code refused, unless ctx has ended.
func (s Set) Run(ctx context.Context, names []string, w Switch) error {
	for _, name := range names {
		c, ok := s[name]
		if !ok {
			return refused(name, "this node has no hook of this name", "")
		}
		if err := c.run(ctx, name, w); err != nil {
			return err
		}
	}
	return nil
}

// pipeDelay is how long the output of a hook that has ended is waited for: what
// it left running in the background may hold it open.
const pipeDelay = time.Second

func (c Command) run(ctx context.Context, name string, w Switch) error {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(limited, c.Argv[0], c.Argv[1:]...)
	var said tail
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = "/", w.environ(), &said, &said, pipeDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if c.User != "" {
		who, err := Credential(c.User)
		if err != nil {
			return refused(name, err.Error(), "")
		}
		cmd.SysProcAttr.Credential = who
	}
	// The parent whose death kills the hook is the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return refused(name, fmt.Sprintf("it did not end within %v and was killed", c.Timeout), said.String())
	case c.User != "" && cmd.Process == nil && errors.Is(err, syscall.EPERM):
		return mayNotBecome(name, c.User, err)
	}
	return refused(name, err.Error(), said.String())
}

func refused(name, message, said string) error {
	if said != "" {
		message += "; it said last: " + said
	}
	return &api.Error{Code: api.CodeRefused, Subject: "hook " + name, Message: message,
		Fix: "see to what the hook asks for, or mend hooks." + name + " in this node's configuration"}
}

// mayNotBecome is what a hook of another user ends with where the agent lacks the
// capabilities for it.
func mayNotBecome(name, user string, err error) error {
	return &api.Error{Code: api.CodeRefused, Subject: "hook " + name, Message: fmt.Sprintf("it does not start as user %s: %v", user, err),
		Fix: "give the agent CAP_SETUID, CAP_SETGID and CAP_KILL (CapabilityBoundingSet= of its unit), or leave hooks." + name + ".user out"}
}

// Credential is that of a user by name or number, with the user's groups.
func Credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if _, number := strconv.ParseUint(name, 10, 32); err != nil && number == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return nil, fmt.Errorf("this node does not know the user %s", name)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", name, err)
	}
	var numbers []uint32
	for _, text := range append([]string{u.Uid, u.Gid}, ids...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("number %q of user %s: %w", text, name, err)
		}
		numbers = append(numbers, uint32(n))
	}
	return &syscall.Credential{Uid: numbers[0], Gid: numbers[1], Groups: numbers[2:]}, nil
}

// maxSaid bounds what is kept of a hook's output, in bytes.
const maxSaid = 1024

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - maxSaid; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// String is the last lines in one line of printable text.
func (t *tail) String() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.b), "?")), "\n")
	const shown = 5
	lines = lines[max(0, len(lines)-shown):]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.Join(lines, " | "))
}

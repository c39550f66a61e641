package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/proc"
)

// environment is all that programs get beside Command.Env. Their messages are
// read, so they have to be the untranslated ones.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	"LANGUAGE=C",
}

// pipeDelay is how long the output of a program that has ended is waited for:
// what it left running may hold it open.
const pipeDelay = time.Second

// maxOutput bounds what is kept of a program's output, in bytes.
const maxOutput = 1 << 20

// Command is a program to run.
type Command struct {
	Argv []string // the program's path, then its arguments
	As   *User    // nil for the driver's own user
	// Reader lets the program read every file, though As may not: for checks of
	// files that do not belong to As yet. Only root can give this.
	Reader bool
	// Session gives the program a session of its own, in which what it leaves
	// running lives on when the driver ends.
	Session bool
	Env     []string // beside the few variables that all programs get
	Dir     string   // "" for the root directory
	// Said gets standard error as it comes, nil for nobody. The end of it is in
	// Failure.Stderr all the same.
	Said io.Writer
}

// Failure is a program that did not end well.
type Failure struct {
	Program string // its name without the directory
	Stderr  string // the end of what it said, trimmed
	Err     error  // *exec.ExitError, or why it did not start
}

// Error has the last lines that the program said in one line.
func (f *Failure) Error() string {
	if f.Stderr == "" {
		return fmt.Sprintf("%s: %v", f.Program, f.Err)
	}
	return fmt.Sprintf("%s: %v: %s", f.Program, f.Err, OneLine(f.Stderr))
}

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// Run runs c and returns what it wrote to standard output. When ctx ends, the
// program and those that it started are killed, but for what has made a session
// of its own by then. When the driver ends, the kernel kills the program; what it
// started is of the driver's process group, which the agent kills (pg_basebackup
// has a child that outlives it). The error is ctx's or a *Failure.
func Run(ctx context.Context, c Command) (string, error) {
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	var out, said tail
	cmd.Stdout, cmd.Stderr = &out, &said
	if c.Said != nil {
		cmd.Stderr = io.MultiWriter(&said, c.Said)
	}
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", append(append([]string(nil), environment...), c.Env...), pipeDelay
	if c.Dir != "" {
		cmd.Dir = c.Dir
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: c.Session, Pdeathsig: syscall.SIGKILL, Credential: c.As.credential()}
	if c.Reader && os.Geteuid() == 0 {
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_DAC_READ_SEARCH}
	}
	cmd.Cancel = func() error { return kill(cmd.Process) }
	// The parent whose death kills the program is the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return out.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w", filepath.Base(c.Argv[0]), ctx.Err())
	}
	return out.String(), &Failure{Program: filepath.Base(c.Argv[0]), Stderr: strings.TrimSpace(said.String()), Err: err}
}

// kill kills p and those that it started.
func kill(p *os.Process) error {
	below, err := proc.Below(p.Pid)
	err = errors.Join(err, p.Kill())
	for _, child := range below {
		_ = syscall.Kill(child.PID, syscall.SIGKILL) // it may have ended with p
	}
	return err
}

// OneLine is the last lines of text as one line of printable text.
func OneLine(text string) string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(text, "?")), "\n")
	const shown = 5
	lines = lines[max(0, len(lines)-shown):]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.Join(lines, " | "))
}

// tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if n := t.Len() - maxOutput; n > 0 {
		t.Next(n)
	}
	return len(p), nil
}

// User is one that programs run as.
type User struct {
	Name     string // "" if the machine has no name for it
	UID, GID uint32
	groups   []uint32
}

// LookupUser finds a user by name or number.
func LookupUser(name string) (*User, error) {
	u, err := user.Lookup(name)
	if _, number := strconv.ParseUint(name, 10, 32); err != nil && number == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return nil, fmt.Errorf("this machine does not know the user %s", name)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", name, err)
	}
	numbers := make([]uint32, 0, 2+len(ids))
	for _, text := range append([]string{u.Uid, u.Gid}, ids...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("number %q of user %s: %w", text, name, err)
		}
		numbers = append(numbers, uint32(n))
	}
	return &User{Name: u.Username, UID: numbers[0], GID: numbers[1], groups: numbers[2:]}, nil
}

// OwnerOf is the user to whom the file at path belongs, links not followed. Its
// group is the file's.
func OwnerOf(path string) (*User, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	st := info.Sys().(*syscall.Stat_t)
	u, err := LookupUser(strconv.FormatUint(uint64(st.Uid), 10))
	if err != nil {
		u = &User{UID: st.Uid} // files of a container's user, say
	}
	u.GID = st.Gid
	return u, nil
}

// String is the name, or the number where there is none.
func (u *User) String() string {
	if u.Name != "" {
		return u.Name
	}
	return strconv.FormatUint(uint64(u.UID), 10)
}

// Reachable reports an error unless the driver is u or may become it.
func (u *User) Reachable() error {
	if euid := os.Geteuid(); euid != 0 && euid != int(u.UID) {
		return fmt.Errorf("user %d cannot run programs as user %s", euid, u)
	}
	return nil
}

// credential is nil if the driver is that user already.
func (u *User) credential() *syscall.Credential {
	if u == nil || int(u.UID) == os.Geteuid() {
		return nil
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.groups}
}

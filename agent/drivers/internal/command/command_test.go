package command_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
)

func TestRun(t *testing.T) {
	t.Setenv("SECRET", "of the driver")
	var said bytes.Buffer
	out, err := command.Run(t.Context(), command.Command{Argv: []string{"/bin/sh", "-c", `pwd; echo "$SECRET$MORE $LC_ALL"; echo loud >&2`}, Env: []string{"MORE=given"}, Said: &said})
	if err != nil || out != "/\ngiven C\n" || said.String() != "loud\n" {
		t.Errorf("%q, %q, %v", out, said.String(), err)
	}
}

func TestFailure(t *testing.T) {
	_, err := command.Run(t.Context(), command.Command{Argv: []string{"/bin/sh", "-c", "echo one >&2; echo two >&2; exit 3"}})
	var f *command.Failure
	var exit *exec.ExitError
	if !errors.As(err, &f) || f.Stderr != "one\ntwo" || !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("%#v", err)
	}
	if err.Error() != "sh: exit status 3: one | two" {
		t.Errorf("%q", err)
	}
	if _, err := command.Run(t.Context(), command.Command{Argv: []string{"/no/such/program"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A call that is cancelled ends what it started and what that started.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pids := &firstLine{line: make(chan string, 1)}
	done := make(chan error, 1)
	go func() {
		_, err := command.Run(ctx, command.Command{Argv: []string{"/bin/sh", "-c", "sleep 1000 & echo $$ $! >&2; wait"}, Said: pids})
		done <- err
	}()
	line := <-pids.line
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for _, text := range strings.Fields(line) {
		awaitEnd(t, text)
	}
}

type firstLine struct {
	text bytes.Buffer
	line chan string
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.text.Write(p)
	if line, err := f.text.ReadString('\n'); err == nil {
		f.line <- line
	}
	return len(p), nil
}

// awaitEnd returns when a process has ended, reaped or not.
func awaitEnd(t *testing.T, pid string) {
	t.Helper()
	for t.Context().Err() == nil {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %s runs on", pid)
}

// What a program left in a session of its own outlives the call, its cancelling
// and the driver.
func TestSession(t *testing.T) {
	out, err := command.Run(t.Context(), command.Command{Argv: []string{"/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"}, Session: true})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	group, err := syscall.Getpgid(pid)
	if err != nil || group == syscall.Getpgrp() {
		t.Errorf("its process group is %d, %v", group, err)
	}
}

// A program ends with the process that runs it, however that ends. The test
// program is both.
func TestDriverIsKilled(t *testing.T) {
	const variable = "COMMAND_TEST_DRIVER"
	if os.Getenv(variable) != "" {
		command.Run(context.Background(), command.Command{Argv: []string{"/bin/sh", "-c", "echo $$ >&2; exec sleep 1000"}, Said: os.Stdout})
		return
	}
	driver := exec.Command(os.Args[0], "-test.run=^TestDriverIsKilled$")
	driver.Env = append(os.Environ(), variable+"=1")
	out, err := driver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	driver.Process.Kill()
	driver.Wait()
	awaitEnd(t, strings.TrimSpace(line))
}

func TestUsers(t *testing.T) {
	root, err := command.LookupUser("root")
	if err != nil || root.UID != 0 || root.String() != "root" {
		t.Errorf("%+v, %v", root, err)
	}
	if byNumber, err := command.LookupUser("0"); err != nil || byNumber.Name != "root" {
		t.Errorf("%+v, %v", byNumber, err)
	}
	if u, err := command.LookupUser("no-such-user"); err == nil {
		t.Errorf("%+v", u)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to run programs as another user")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody, err := command.LookupUser("nobody")
	if err != nil {
		t.Fatal(err)
	}
	id := command.Command{Argv: []string{"/usr/bin/id", "-u"}, As: nobody}
	if out, err := command.Run(t.Context(), id); err != nil || out != strconv.Itoa(int(nobody.UID))+"\n" {
		t.Errorf("%q, %v", out, err)
	}
	read := command.Command{Argv: []string{"/bin/cat", file}, As: nobody}
	if out, err := command.Run(t.Context(), read); err == nil {
		t.Errorf("read %q", out)
	}
	read.Reader = true
	if out, err := command.Run(t.Context(), read); err != nil || out != "content" {
		t.Errorf("%q, %v", out, err)
	}
	write := command.Command{Argv: []string{"/bin/sh", "-c", "echo >" + file}, As: nobody, Reader: true}
	if _, err := command.Run(t.Context(), write); err == nil {
		t.Error("a reader wrote")
	}
	if err := os.Chown(file, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	if u, err := command.OwnerOf(file); err != nil || u.UID != 12345 || u.GID != 23456 || u.String() != "12345" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestOneLine(t *testing.T) {
	if got := command.OneLine("1\n2\n3\n4\n5\n6\x1b[0m\n"); got != "2 | 3 | 4 | 5 | 6 [0m" {
		t.Errorf("%q", got)
	}
}

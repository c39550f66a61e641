package child_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

func start(t *testing.T, script string) (*child.Process, *bufio.Scanner) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = write
	p, err := child.Start(cmd)
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.KillGroup(); <-p.Exited() })
	return p, bufio.NewScanner(read)
}

func TestAProgramThatEndsByItself(t *testing.T) {
	p, _ := start(t, "exit 3")
	if err := p.Wait(); err == nil || err.Error() != "exit status 3" {
		t.Errorf("it ended with %v", err)
	}
	if p.Running() {
		t.Error("it runs")
	}
	if !p.End(syscall.SIGTERM, time.Minute) {
		t.Error("what has ended had to be killed")
	}
}

func TestAProgramThatDoesAsItIsAsked(t *testing.T) {
	p, said := start(t, "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	said.Scan()
	if !p.Running() || !p.End(syscall.SIGTERM, time.Minute) || p.Wait() != nil {
		t.Errorf("asked to end, it ended with %v", p.Wait())
	}
}

func TestAProgramThatIgnoresItIsKilled(t *testing.T) {
	p, said := start(t, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
	said.Scan()
	if p.End(syscall.SIGTERM, 50*time.Millisecond) {
		t.Error("it ended by itself")
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
}

func TestAProgramThatDoesNotExist(t *testing.T) {
	if p, err := child.Start(exec.Command("/nonexistent/program")); err == nil || !strings.Contains(err.Error(), "start /nonexistent/program") {
		t.Errorf("%v was started: %v", p, err)
	}
}

func TestAProgramInAnotherNetworkNamespace(t *testing.T) {
	cmd := exec.Command("sleep", "infinity")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	other, err := child.Start(cmd)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root makes network namespaces: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.KillGroup(); <-other.Exited() })
	path := fmt.Sprintf("/proc/%d/ns/net", other.Pid())
	namespace, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd = exec.Command("readlink", "/proc/self/ns/net")
	cmd.Stdout = &out
	p, err := child.StartIn(namespace, cmd)
	namespace.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if want, err := os.Readlink(path); err != nil || strings.TrimSpace(out.String()) != want {
		t.Errorf("it ran in %s, not in %s: %v", out.String(), want, err)
	}
}

func TestANamespaceThatIsNone(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if p, err := child.StartIn(null, exec.Command("true")); err == nil || !strings.Contains(err.Error(), "enter the network namespace") {
		t.Errorf("%v was started: %v", p, err)
	}
}

// A program in another namespace has the priority that this process began with.
func TestThePriorityOfAProgram(t *testing.T) {
	namespace, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer namespace.Close()
	var out strings.Builder
	cmd := exec.Command("nice")
	cmd.Stdout = &out
	p, err := child.StartIn(namespace, cmd)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root enters network namespaces: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil || strings.TrimSpace(out.String()) != strconv.Itoa(child.Niceness()) {
		t.Errorf("its niceness is %s, want %d: %v", out.String(), child.Niceness(), err)
	}
}

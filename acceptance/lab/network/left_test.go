package network_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/topo"
)

const victimVariable = "NETWORK_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	os.Exit(m.Run())
}

// victim makes a network, says the number of a program in it and the name of its
// namespace, and waits to be killed.
func victim() {
	s := racks(2, 2, both(10*mbit), topo.Unlimited)
	s.Locations[1].RTT = 20 * time.Millisecond
	n, err := network.New(context.Background(), s)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	p, err := n.Host("dc/r1/1").Start(exec.Command("sleep", "infinity"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	namespace, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p.Pid()))
	fmt.Println("made", p.Pid(), namespace)
	select {}
}

// A network ends with the process that made it, however that ends.
func TestNothingIsLeftOfAProcessThatWasKilled(t *testing.T) {
	if err := network.Unsupported(); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	said.Scan()
	cmd.Process.Kill()
	cmd.Wait()
	words := strings.Fields(said.Text())
	if len(words) != 3 {
		t.Fatalf("it said %q", said.Text())
	}
	pid, namespace := words[1], words[2]
	err = wait.Until(t.Context(), 30*time.Second, "all of it is gone", func() error {
		number, _ := strconv.Atoi(pid)
		if syscall.Kill(number, 0) == nil {
			return errors.New("the program runs")
		}
		return heldBy(namespace)
	})
	if err != nil {
		t.Error(err)
	}
}

// heldBy is an error if a process is in a namespace or has it open.
func heldBy(namespace string) error {
	for _, pattern := range []string{"/proc/[0-9]*/task/*/ns/net", "/proc/[0-9]*/fd/*"} {
		links, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, link := range links {
			if to, _ := os.Readlink(link); to == namespace {
				return fmt.Errorf("%s is %s", link, to)
			}
		}
	}
	return nil
}

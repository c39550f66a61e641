package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/unit"
)

// shapedLink is a network of its own: two hosts, and a switch between them that
// sends to each of them at a rate, with a queue of 50 ms before it.
type shapedLink struct {
	from, to, between *namespace
	toAddress         net.IP
}

// routerMAC is the address of what is between the hosts. They send all packets to it, and
// it routes them: a bridge would leave them with the socket that sent them, which holds
// back what is behind while they wait in a queue that is not its host's.
const routerMAC = "02:00:00:00:00:fe"

const queueOfLink = 50 * time.Millisecond

func newShapedLink(t testing.TB, rate unit.Rate) *shapedLink {
	t.Helper()
	l := &shapedLink{newNamespace(t), newNamespace(t), newNamespace(t), net.IPv4(10, 77, 0, 2)}
	l.between.run(t, "ip", "link add br0 address "+routerMAC+" type bridge", "link set dev br0 up", "address add 10.77.0.254/24 dev br0",
		"link add name a type veth peer name eth0 netns "+l.from.path(),
		"link add name b type veth peer name eth0 netns "+l.to.path(),
		"link set dev a master br0 up", "link set dev b master br0 up")
	for i, host := range []*namespace{l.from, l.to} {
		host.run(t, "ip", "link set dev lo up", fmt.Sprintf("address add 10.77.0.%d/24 dev eth0", i+1), "link set dev eth0 up",
			fmt.Sprintf("neighbour replace 10.77.0.%d lladdr %s dev eth0 nud permanent", 2-i, routerMAC))
	}
	l.between.do(t, func() error {
		return errors.Join(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/ipv4/conf/all/send_redirects", []byte("0"), 0),
			os.WriteFile("/proc/sys/net/ipv4/conf/br0/send_redirects", []byte("0"), 0))
	})
	l.shape(t, rate)
	return l
}

// shape sets the rate of both directions.
func (l *shapedLink) shape(t testing.TB, rate unit.Rate) {
	t.Helper()
	const burst = 2 * 1514
	tbf := fmt.Sprintf("root tbf rate %dbps burst %d limit %d", rate, max(burst, rate.In(time.Millisecond)), burst+rate.In(queueOfLink))
	l.between.run(t, "tc", "qdisc replace dev a "+tbf, "qdisc replace dev b "+tbf)
}

// namespace is a network namespace that ends with the test.
type namespace struct{ file *os.File }

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	n := &namespace{}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		t.Skipf("this needs leave to make network namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("this needs the programs of iproute2: %v", err)
		}
	}
	t.Cleanup(func() { n.file.Close() })
	return n
}

func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// do calls f on a thread that is in the namespace.
func (n *namespace) do(t testing.TB, f func() error) {
	t.Helper()
	err := onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run has ip or tc do lines.
func (n *namespace) run(t testing.TB, program string, lines ...string) {
	t.Helper()
	n.do(t, func() error {
		cmd := exec.Command(program, "-batch", "-")
		cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(said))
		}
		return nil
	})
}

// onThread calls f on a thread that ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks
		done <- f()
	}()
	return <-done
}

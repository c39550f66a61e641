package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/unit"
)

// router is a namespace with an SNMP agent, whose interface port leads to a
// second namespace.
type router struct {
	t         *testing.T
	name, far string // of the namespaces
	dir       string
	agent     *exec.Cmd
}

var routers atomic.Int64

const snmpdConf = `agentAddress udp:127.0.0.1:161
rocommunity public
createUser poller SHA-256 "authpass123" AES "privpass123"
createUser bare SHA-256 "authpass123" AES "privpass123"
rouser poller priv
`

// newRouter makes a router with a veth port, and starts its agent.
func newRouter(t *testing.T) *router {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	if _, err := exec.LookPath("snmpd"); err != nil {
		t.Skip("snmpd is not installed")
	}
	id := fmt.Sprintf("rsprobe%d-%d", os.Getpid(), routers.Add(1))
	r := &router{t: t, name: id + "a", far: id + "b", dir: t.TempDir()}
	for _, ns := range []string{r.name, r.far} {
		run(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { run(t, "ip", "netns", "del", ns) })
		run(t, "ip", "-n", ns, "link", "set", "lo", "up")
	}
	r.addPort()
	r.start()
	return r
}

func run(t *testing.T, words ...string) string {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	var complaint strings.Builder // also of what went well
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, &complaint)
	}
	return string(out)
}

func (r *router) addPort() {
	r.t.Helper()
	run(r.t, "ip", "link", "add", "port", "netns", r.name, "type", "veth", "peer", "name", "far", "netns", r.far)
	run(r.t, "ip", "-n", r.name, "addr", "add", "10.99.0.1/24", "dev", "port")
	run(r.t, "ip", "-n", r.name, "link", "set", "port", "up")
	run(r.t, "ip", "-n", r.far, "addr", "add", "10.99.0.2/24", "dev", "far")
	run(r.t, "ip", "-n", r.far, "link", "set", "far", "up")
}

// index is the port's ifIndex.
func (r *router) index() int {
	r.t.Helper()
	words := strings.SplitN(run(r.t, "ip", "-n", r.name, "-o", "link", "show", "port"), ":", 2)
	n, err := strconv.Atoi(words[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// start starts the agent and waits until it answers.
func (r *router) start() {
	r.t.Helper()
	conf := filepath.Join(r.dir, "conf")
	text := snmpdConf + fmt.Sprintf("override .1.3.6.1.2.1.31.1.1.1.15.%d uinteger 250\n", r.index())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.agent = exec.Command("ip", "netns", "exec", r.name, "snmpd", "-f", "-Lf", filepath.Join(r.dir, "log"), "-C", "-c", conf, "-I", "-smux")
	r.agent.Env = append(os.Environ(), "MIBS=", "SNMP_PERSISTENT_DIR="+r.dir)
	if err := r.agent.Start(); err != nil { // ip executes snmpd in its place
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.kill)
	for began := time.Now(); ; {
		_, err := r.ask("1.3.6.1.2.1.1.3.0")
		if err == nil {
			return
		}
		if time.Since(began) > time.Minute {
			r.t.Fatalf("snmpd does not answer: %v", err)
		}
	}
}

// packets is how many packets the agent has got, with the one that asks for it.
func (r *router) packets() int {
	r.t.Helper()
	text, err := r.ask("1.3.6.1.2.1.11.1.0")
	if err != nil {
		r.t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// kill ends the agent.
func (r *router) kill() {
	_ = r.agent.Process.Kill()
	_ = r.agent.Wait()
}

// ask asks by other means than those that are tested.
func (r *router) ask(oid string) (string, error) {
	out, err := exec.CommandContext(r.t.Context(), "ip", "netns", "exec", r.name, "snmpget", "-m", "", "-v2c", "-cpublic", "-t1", "-r0", "-Oqv", "127.0.0.1", oid).Output()
	return strings.TrimSpace(string(out)), err
}

// in runs f with the network of a namespace: the sockets that it makes stay
// there.
func in[T any](t *testing.T, ns string, f func() (T, error)) (T, error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open(filepath.Join("/run/netns", ns))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread would do other tests' work in there
		}
	}()
	return f()
}

// send sends packets out of the port until the test ends, and returns their rate
// on the link.
func (r *router) send() unit.Rate {
	r.t.Helper()
	conn, err := in(r.t, r.name, func() (net.Conn, error) { return net.Dial("udp4", "10.99.0.2:9") })
	if err != nil {
		r.t.Fatal(err)
	}
	const payload, headers, every = 1000, 14 + 20 + 8, 2 * time.Millisecond
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	r.t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		defer conn.Close()
		began, sent := time.Now(), 0
		for ctx.Err() == nil {
			for ; time.Duration(sent)*every < time.Since(began); sent++ {
				_, _ = conn.Write(make([]byte, payload)) // nobody listens, and some come back as refused
			}
			_ = pause.For(ctx, every)
		}
	}()
	return unit.Rate((payload + headers) * int(time.Second/every))
}

func (r *router) device(links ...Link) Device {
	return Device{Host: "127.0.0.1", Community: "public", Timeout: time.Second, Links: links}
}

func (r *router) port() Link {
	return Link{Name: "port", MeterConfig: bandwidth.MeterConfig{Link: "ams/r1"}}
}

// poll polls d from inside the router's namespace until the test ends.
func (r *router) poll(d Device) <-chan Report {
	r.t.Helper()
	reports := make(chan Report, 1000)
	began := time.Now()
	p, err := NewPoller(Config{
		Device: d, Report: func(r Report) { reports <- r },
		Time: func(at time.Time) unit.Time { return unit.Time(at.Sub(began)) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	here := p.dial
	p.dial = func(ctx context.Context) (session, error) {
		return in(r.t, r.name, func() (session, error) { return here(ctx) })
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx)
	}()
	r.t.Cleanup(func() { cancel(); <-ended })
	return reports
}

// until waits for a report.
func until(t *testing.T, reports <-chan Report, what string, ok func(Report) bool) Report {
	t.Helper()
	var last Report
	for {
		select {
		case last = <-reports:
			if ok(last) {
				return last
			}
		case <-time.After(time.Minute):
			t.Fatalf("no report with %s; the last one is %+v", what, last)
		}
	}
}

func close10(got, want unit.Rate) bool { return got > want*9/10 && got < want*11/10 }

// The agent renews its counters every 3 s, and is asked every second.
func TestARouterIsMeasured(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	began, before := time.Now(), r.packets()
	rate := r.send()
	d := r.device(r.port(), Link{Name: "port", MeterConfig: bandwidth.MeterConfig{Link: "ams/r2", Side: bandwidth.Outside, Up: 1e6, Down: 1e6}})
	reports := r.poll(d)
	got := until(t, reports, "a use", func(r Report) bool {
		return r.Link == "ams/r1" && r.Refresh > 2*time.Second && close10(r.Use.Up, rate)
	})
	if !got.Known || got.Use.UpCapacity != 250e6/8 || got.Use.Down > rate/10 || got.Err != nil || len(got.News) > 0 {
		t.Errorf("%+v", got)
	}
	other := until(t, reports, "the other side", func(r Report) bool { return r.Link == "ams/r2" })
	if other.Use.UpCapacity != 1e6 || !close10(other.Use.Down, rate) || other.Use.Up > rate/10 {
		t.Errorf("%+v", other)
	}
	// One packet at the beginning, one each second, and one that asks.
	if n := r.packets() - before; n > int(time.Since(began)/time.Second)+2 {
		t.Errorf("%d packets in %v", n, time.Since(began))
	}
}

func TestARouterIsAskedByVersion3(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	rate := r.send()
	d := r.device(r.port())
	d.Community, d.User = "", User{Name: "poller", AuthPassword: "authpass123", PrivacyPassword: "privpass123"}
	reports := r.poll(d)
	usable := func(r Report) bool { return close10(r.Use.Up, rate) }
	until(t, reports, "a use", usable)

	r.kill() // and its clock begins anew
	gone := until(t, reports, "an error", func(r Report) bool { return r.Err != nil })
	if gone.Err.Fault != bandwidth.FaultSilent || !strings.Contains(gone.Err.Error(), "link of ams/r1: device 127.0.0.1:161: nothing listens there") {
		t.Error(gone.Err)
	}
	r.start()
	until(t, reports, "an answer", func(r Report) bool { return r.Err == nil })
	until(t, reports, "a use after the restart", func(r Report) bool { return usable(r) && r.Use.At > gone.Use.At })
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	good := User{Name: "poller", AuthPassword: "authpass123", PrivacyPassword: "privpass123"}
	for name, c := range map[string]struct {
		spoil func(*Device, *User)
		fault bandwidth.Fault
		says  string
	}{
		"community": {func(d *Device, u *User) { d.Community, *u = "wrong", User{} }, bandwidth.FaultSilent, "no answer within 1s (is it reachable over UDP, may this host ask it, and is the community right?"},
		"user":      {func(_ *Device, u *User) { u.Name = "nobody" }, bandwidth.FaultRefused, "it does not accept user nobody (correct"},
		"password":  {func(_ *Device, u *User) { u.AuthPassword = "authpass124" }, bandwidth.FaultRefused, "it does not accept user poller (correct"},
		"protocol":  {func(_ *Device, u *User) { u.Auth = "SHA-512" }, bandwidth.FaultRefused, "it does not accept user poller (correct"},
		"privacy":   {func(_ *Device, u *User) { u.PrivacyPassword = "privpass124" }, "", "rivacy"},
		"access":    {func(_ *Device, u *User) { u.Name = "bare" }, bandwidth.FaultRefused, "lets nobody with these credentials read"},
	} {
		d := r.device(r.port())
		d.Community, d.User = "", good
		c.spoil(&d, &d.User)
		reports := r.poll(d)
		got := until(t, reports, "an error", func(r Report) bool { return r.Err != nil })
		if c.fault != "" && got.Err.Fault != c.fault || !strings.Contains(got.Err.Error(), c.says) || len(got.News) != 1 || got.Known {
			t.Errorf("%s: %+v, %v", name, got, got.Err)
		}
		if text := got.Err.Error(); !strings.HasPrefix(text, "link of ams/r1: device 127.0.0.1:161: ") || strings.Contains(text, "pass12") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestAnInterfaceVanishesAndComesBack(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	d := r.device(r.port(), Link{Name: "no-such", MeterConfig: bandwidth.MeterConfig{Link: "ams/r9"}})
	reports := r.poll(d)
	missing := until(t, reports, "the link that never was", func(r Report) bool { return r.Link == "ams/r9" })
	if missing.Err == nil || missing.Err.Fault != bandwidth.FaultVanished || !strings.Contains(missing.Err.Error(), "it has no interface no-such") {
		t.Errorf("%+v", missing)
	}
	ok := func(r Report) bool { return r.Link == "ams/r1" && r.Err == nil }
	until(t, reports, "an answer", ok)
	run(t, "ip", "-n", r.name, "link", "del", "port")
	gone := until(t, reports, "a link that vanished", func(r Report) bool {
		return r.Link == "ams/r1" && r.Err != nil && r.Err.Fault == bandwidth.FaultVanished
	})
	if !strings.Contains(gone.Err.Error(), "interface port is down") || len(gone.News) != 1 { // snmpd remembers it for minutes
		t.Errorf("%+v", gone)
	}
	r.addPort() // with another index
	until(t, reports, "an answer of the new one", ok)
}

func TestADeviceThatDoesNotExist(t *testing.T) {
	t.Parallel()
	d := Device{Host: "no-such-host.invalid", Community: "public", Links: []Link{{Name: "port"}}}.withDefaults()
	_, err := dial(t.Context(), d, &pacer{every: MinInterval})
	if e := explain(d, err); err == nil || e.Fault != bandwidth.FaultSilent || !strings.Contains(e.Error(), "no-such-host.invalid") || !errors.Is(e, err) {
		t.Errorf("%v", err)
	}
}

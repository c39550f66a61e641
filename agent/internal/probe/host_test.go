package probe

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

const routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
	"eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"

const counters = "  eth0: 200 0 0 0 0 0 0 0 100 0 0 0 0 0 0 0\n"

// kernel makes a tree with what a kernel tells.
func kernel(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestAHostIsSampled(t *testing.T) {
	files := map[string]string{
		"proc/stat": "cpu 1 2 3 4 5 6 7 8 9 10\n", "proc/net/route": routes,
		"proc/pressure/cpu": "some avg10=1.00 avg60=0 avg300=0 total=10\n", "proc/pressure/io": "some avg10=2.00 avg60=0 avg300=0 total=20\n",
		"proc/pressure/memory": "some avg10=3.00 avg60=0 avg300=0 total=30\n",
		"proc/net/dev":         counters, "sys/class/net/eth0/statistics/rx_bytes": "200\n", "sys/class/net/eth0/speed": "1000\n",
		"sys/class/net/eth0/device/vendor": "0x8086\n",
	}
	h, err := NewHost(HostConfig{Root: kernel(t, files)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Sample(5, bandwidth.Moved{Up: 1})
	if err != nil {
		t.Fatal(err)
	}
	if *s.PSI != (bandwidth.Pressure{
		CPU: bandwidth.Stall{Avg10: 0.01, Total: 10 * time.Microsecond}, IO: bandwidth.Stall{Avg10: 0.02, Total: 20 * time.Microsecond},
		Memory: bandwidth.Stall{Avg10: 0.03, Total: 30 * time.Microsecond},
	}) {
		t.Errorf("%+v", s.PSI)
	}
	s.PSI = nil
	if want := (bandwidth.HostSample{
		At: 5, CPU: bandwidth.CPUTimes{Busy: 27, Wait: 5, Idle: 4}, Interface: "eth0", NIC: bandwidth.Moved{Up: 100, Down: 200},
		Own: bandwidth.Moved{Up: 1}, Speed: 125e6,
	}); s != want {
		t.Errorf("%+v", s)
	}
	for name, want := range map[string]string{
		"proc/stat": "proc/stat", "proc/net/route": "proc/net/route", "proc/net/dev": "proc/net/dev",
	} {
		without := kernel(t, files)
		if err := os.Remove(filepath.Join(without, name)); err != nil {
			t.Fatal(err)
		}
		h, err := NewHost(HostConfig{Root: without})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Sample(5, bandwidth.Moved{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestAHostWithoutRoutesOrPressure(t *testing.T) {
	h, err := NewHost(HostConfig{Root: kernel(t, map[string]string{"proc/stat": "cpu 1 2 3 4 5\n", "proc/net/route": "Iface\n"})})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Sample(5, bandwidth.Moved{})
	if err == nil || !strings.Contains(err.Error(), "no default route") || s.PSI != nil || s.CPU.Idle != 4 {
		t.Errorf("%+v, %v", s, err)
	}
}

// This machine's kernel tells what is read, whatever it is.
func TestThisHostIsSampled(t *testing.T) {
	h, err := NewHost(HostConfig{Interface: "lo", Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Sample(5, bandwidth.Moved{})
	if err != nil {
		t.Fatal(err)
	}
	if s.CPU.Busy == 0 || s.NIC.Up != s.NIC.Down {
		t.Errorf("%+v", s)
	}
	if h.Disk() != "" && s.Disk.Done == 0 {
		t.Errorf("disk %s has done nothing: %+v", h.Disk(), s.Disk)
	}
}

func TestThePathOfTheDiskMustBeThere(t *testing.T) {
	if _, err := NewHost(HostConfig{Path: "/no/such/path"}); err == nil || !strings.Contains(err.Error(), "find the disk of /no/such/path") {
		t.Error(err)
	}
	h, err := NewHost(HostConfig{Path: "/proc"})
	if err != nil || h.Disk() != "" {
		t.Errorf("/proc lies on %q, %v", h.Disk(), err)
	}
}

// The speed of an interface counts if there is a device below it.
func TestSpeedsThatAreMadeUp(t *testing.T) {
	files := map[string]string{"proc/net/route": routes, "proc/net/dev": counters, "sys/class/net/eth0/statistics/rx_bytes": "200"}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  unit.Rate
	}{
		{"a card", map[string]string{"speed": "1000", "device/vendor": "0x8086"}, 125e6},
		{"a card without a cable", map[string]string{"speed": "-1", "device/vendor": "0x8086"}, 0},
		{"a virtual machine's", map[string]string{"device/vendor": "0x1af4"}, 0},
		{"veth", map[string]string{"speed": "10000"}, 0},
		{"another network's card of that name", map[string]string{"speed": "1000", "device/vendor": "0x8086", "statistics/rx_bytes": "201"}, 0},
		{"a bond", map[string]string{"speed": "2000", "lower_eth7/mtu": "1500", "../eth7/device/vendor": "0x8086"}, 250e6},
		{"a bridge of veths", map[string]string{"speed": "10000", "lower_veth0/mtu": "1500", "../veth0/mtu": "1500"}, 0},
	} {
		all := maps.Clone(files)
		for name, text := range c.files {
			all[filepath.Join("sys/class/net/eth0", name)] = text
		}
		h, err := NewHost(HostConfig{Root: kernel(t, all)})
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := h.Sample(1, bandwidth.Moved{}); s.Speed != c.want || s.Interface != "eth0" { // the error is of the CPU, which is not there
			t.Errorf("%s: %s of %q, want %s", c.name, s.Speed, s.Interface, c.want)
		}
	}
}

// The interface is the one that has the address by which others know the host.
func TestTheInterfaceOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1": "lo", "127.0.0.77": "lo", "::1": "lo", "192.0.2.254": "", "0.0.0.0": ""} {
		if got := interfaceOf(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is of %q, want %q", address, got, want)
		}
	}
	h, err := NewHost(HostConfig{Address: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := h.Sample(1, bandwidth.Moved{}); err != nil || s.Interface != "lo" {
		t.Errorf("%q, %v", s.Interface, err)
	}
}

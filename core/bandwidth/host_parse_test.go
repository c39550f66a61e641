package bandwidth

import (
	"maps"
	"strings"
	"testing"
	"time"
)

const (
	statText = "cpu  10132153 290696 3084719 46828483 16683 1 25195 7 175628 0\ncpu0 1393280 32966 572056 13343292 6130 0 17875 0 23933 0\nintr 1\n"
	psiText  = "some avg10=1.23 avg60=0.31 avg300=0.06 total=1234567\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=9\n"
	diskText = "   8       0 sda 100 2 3 400 50 6 7 80 9 10 11\n   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
	route    = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth1\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n" +
		"eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth2\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)

func TestWhatTheKernelWritesIsRead(t *testing.T) {
	cpu, err := ParseCPU(statText)
	if want := (CPUTimes{Busy: 10132153 + 290696 + 3084719 + 1 + 25195 + 7, Wait: 16683, Idle: 46828483}); err != nil || cpu != want {
		t.Errorf("%+v, %v", cpu, err)
	}
	stall, err := ParseStall(psiText)
	if want := (Stall{Avg10: 0.0123, Total: 1234567 * time.Microsecond}); err != nil || stall != want {
		t.Errorf("%+v, %v", stall, err)
	}
	disks, err := ParseDisks(diskText)
	want := map[string]DiskCounters{
		"sda": {Done: 150, Took: 480 * time.Millisecond, UnderWay: 9}, "sda1": {Done: 6, Took: 12 * time.Millisecond, UnderWay: 9},
	}
	if err != nil || !maps.Equal(disks, want) {
		t.Errorf("%+v, %v", disks, err)
	}
	const devices = "Inter-|   Receive |  Transmit\n face |bytes    packets\n  eth0.5: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n" +
		"  eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
	if m, err := ParseInterface(devices, "eth0"); err != nil || m != (Moved{Up: 9, Down: 1<<63 - 1}) {
		t.Errorf("%+v, %v", m, err)
	}
	if n, err := ParseCount("18446744073709551615\n"); err != nil || n != 1<<63-1 {
		t.Errorf("%d, %v", n, err)
	}
	for text, want := range map[string]int64{"1000\n": 125e6, "-1\n": 0, "": 0, "4294967295\n": 0, "2147483647": 0, "x": 0} {
		if got := ParseSpeed(text); int64(got) != want {
			t.Errorf("speed %q: %d", text, got)
		}
	}
	if got := DefaultInterface(route); got != "eth0" {
		t.Errorf("default route through %q", got)
	}
	if got := DefaultInterface("Iface\n"); got != "" {
		t.Errorf("no route through %q", got)
	}
}

func TestOtherTextsAreErrors(t *testing.T) {
	for text, parse := range map[string]func(string) error{
		"cpu 1 2 3\n":                                    parseCPU,
		"cpu 1 2 3 x 5\n":                                parseCPU,
		"cpu0 1 2 3 4 5\n":                               parseCPU,
		"some avg10=1 avg60=0\n":                         parseSome,
		"some avg10=nan total=1\n":                       parseSome,
		"some avg10=1 total=-1\n":                        parseSome,
		"full avg10=1 total=1\n":                         parseSome,
		"8 0 sda 1 2\n":                                  parseDisks,
		"8 0 sda 1 2 3 4 5 6 7 8 9 10 x\n":               parseDisks,
		"8 0 s 1 2 3 9999999999999999 5 6 7 8 9 10 11\n": parseDisks,
		"-1": parseCount,
		"eth1: 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0\n":  parseEth0,
		"eth0: 1 0 0 0 0 0 0 0\n":                  parseEth0,
		"eth0: 1 0 0 0 0 0 0 0 -1 0 0 0 0 0 0 0\n": parseEth0,
		"nr_throttled -1\n":                        parseThrottled,
		"nr_throttled":                             parseThrottled,
	} {
		if err := parse(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func parseCPU(s string) error       { _, err := ParseCPU(s); return err }
func parseSome(s string) error      { _, err := ParseStall(s); return err }
func parseDisks(s string) error     { _, err := ParseDisks(s); return err }
func parseCount(s string) error     { _, err := ParseCount(s); return err }
func parseEth0(s string) error      { _, err := ParseInterface(s, "eth0"); return err }
func parseThrottled(s string) error { _, err := ParseThrottled(s); return err }

func TestThrottledPeriods(t *testing.T) {
	for text, want := range map[string]uint64{
		"": 0, "usage_usec 5\nuser_usec 5\n": 0,
		"nr_periods 30\nnr_throttled 12\nthrottled_time 5\n":             12, // version 1
		"usage_usec 5\nnr_periods 3\nnr_throttled 2\nthrottled_usec 9\n": 2,
	} {
		if got, err := ParseThrottled(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// Whatever a kernel writes is read or refused, and parts are parts.
func FuzzHostTexts(f *testing.F) {
	for _, text := range []string{statText, psiText, diskText, route, "1000\n", "cpu \n", "some total=1 total=2", "nr_throttled 3\n", "eth0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n", strings.Repeat("9", 40)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseStall(text); err == nil && (!(s.Avg10 >= 0 && s.Avg10 <= 1) || s.Total < 0) {
			t.Errorf("%+v", s)
		}
		disks, _ := ParseDisks(text)
		for name, d := range disks {
			if d.Took < 0 || name == "" {
				t.Errorf("%q: %+v", name, d)
			}
		}
		if n, err := ParseCount(text); err == nil && n < 0 {
			t.Error(n)
		}
		if m, _ := ParseInterface(text, "eth0"); m.Up < 0 || m.Down < 0 {
			t.Errorf("%+v", m)
		}
		if ParseSpeed(text) < 0 {
			t.Error("a negative speed")
		}
		_, _ = ParseCPU(text)
		_, _ = ParseThrottled(text)
		_ = DefaultInterface(text)
	})
}

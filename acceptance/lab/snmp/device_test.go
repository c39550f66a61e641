package snmp_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/network/networktest"
	"github.com/rackswarm/rackswarm/acceptance/lab/snmp"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
)

// device is one at the uplink of r1, asked from a host of r2.
type device struct {
	*snmp.Device
	network *network.Network
}

func newDevice(t *testing.T) device {
	t.Helper()
	if err := snmp.Unsupported(); err != nil {
		t.Skip(err)
	}
	s := networktest.Scenario(t, "artifact: {size: 1MB}\nlocations: {r1: {uplink: 20Mbit, hosts: 1}, r2: {hosts: 1}}")
	n := networktest.New(t, s)
	d, err := snmp.Start(t.Context(), n.Switch("r1"), s.Locations[0].Uplink, filepath.Join(t.TempDir(), "snmp"))
	if err != nil {
		t.Fatal(err)
	}
	return device{d, n}
}

// ask returns what came in and went out over the uplink, and its speed.
func (d device) ask(t *testing.T) (in, out, speed uint64, err error) {
	t.Helper()
	c := &gosnmp.GoSNMP{Target: d.network.Switch("r1").Address.String(), Port: 161, Version: gosnmp.Version2c,
		Community: snmp.Community, Timeout: 200 * time.Millisecond, MaxOids: gosnmp.MaxOids}
	if err := d.network.Host("r2/1").Do(c.Connect); err != nil {
		t.Fatal(err)
	}
	defer c.Conn.Close()
	const table = ".1.3.6.1.2.1.31.1.1.1"
	names, err := c.BulkWalkAll(table + ".1")
	if err != nil {
		return 0, 0, 0, err
	}
	for _, name := range names {
		if string(name.Value.([]byte)) != snmp.Interface {
			continue
		}
		index := strings.TrimPrefix(name.Name, table+".1.")
		answer, err := c.Get([]string{table + ".6." + index, table + ".10." + index, table + ".15." + index})
		if err != nil {
			return 0, 0, 0, err
		}
		value := func(i int) uint64 { return gosnmp.ToBigInt(answer.Variables[i].Value).Uint64() }
		return value(0), value(1), value(2), nil
	}
	return 0, 0, 0, fmt.Errorf("no interface %s among %v", snmp.Interface, names)
}

// until asks again until the answer is as it should be.
func (d device) until(t *testing.T, what string, good func(in, out, speed uint64) bool) {
	t.Helper()
	err := wait.Until(t.Context(), time.Minute, what, func() error {
		in, out, speed, err := d.ask(t)
		if err == nil && !good(in, out, speed) {
			err = fmt.Errorf("it says %d in, %d out, %d Mbit/s", in, out, speed)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The device tells the truth about its uplink, and what else a fault asks for.
func TestDevice(t *testing.T) {
	d := newDevice(t)
	d.until(t, "the truth", func(in, out, speed uint64) bool { return in > 0 && out > 0 && speed == 20 })
	for _, step := range []struct {
		says scenario.Says
		good func(in, out, speed uint64) bool
	}{
		{scenario.Zeros, func(in, out, _ uint64) bool { return in == 0 && out == 0 }},
		{scenario.Truth, func(in, out, speed uint64) bool { return in > 0 && out > 0 && speed == 20 }},
	} {
		if err := d.Say(t.Context(), step.says); err != nil {
			t.Fatal(err)
		}
		d.until(t, string(step.says), step.good)
	}
	if err := d.SetCapacity(t.Context(), topo.Link{Up: 1.25e6, Down: 1.25e6}); err != nil {
		t.Fatal(err)
	}
	d.until(t, "half the speed", func(_, _, speed uint64) bool { return speed == 10 })
}

// One that says nothing is not there, until it says the truth again.
func TestDeviceThatSaysNothing(t *testing.T) {
	d := newDevice(t)
	if err := d.Say(t.Context(), scenario.Nothing); err != nil {
		t.Fatal(err)
	}
	if in, _, _, err := d.ask(t); err == nil {
		t.Errorf("it says %d", in)
	}
	if err := d.SetCapacity(t.Context(), topo.Link{Up: 1.25e6, Down: 1.25e6}); err != nil {
		t.Fatal(err)
	}
	if err := d.Say(t.Context(), scenario.Truth); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the truth", func(in, _, speed uint64) bool { return in > 0 && speed == 10 })
}

// What the lab asks itself does not count.
func TestQueries(t *testing.T) {
	d := newDevice(t)
	before, err := d.Queries()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := d.ask(t); err != nil {
		t.Fatal(err)
	}
	asked, err := d.Queries()
	if err != nil || before != 0 || asked < 2 || asked > 4 {
		t.Errorf("it was asked %d times, and then %d: %v; want none, and a walk and a query", before, asked, err)
	}
	if err := d.Say(t.Context(), scenario.Nothing); err != nil {
		t.Fatal(err)
	}
	if after, err := d.Queries(); err != nil || after != asked {
		t.Errorf("when it has ended it was asked %d times, %d before: %v", after, asked, err)
	}
}

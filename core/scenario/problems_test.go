package scenario

import (
	"strings"
	"testing"
)

// TestProblems has one line for each way to write a file wrongly: what is
// written, where the error points, and what it says and advises.
func TestProblems(t *testing.T) {
	const head = "artifact: {size: 1MB}\nlocations: {a: {hosts: 3}, b/1: {hosts: 3}}\n" // two lines
	for _, c := range []struct{ text, want string }{
		{"", "t.yaml:1:1: artifact.size: is missing"},
		{"artifact: {size: 1MB}", "t.yaml:1:1: locations: there are no hosts (write for example locations: {ams/b-5: {hosts: 5}})"},
		{"artifact: {size: 0}\nlocations: {a: {hosts: 1}}", "artifact.size: is missing, or nothing (write for example"},
		{"artifact: {size: 1MB}\nlocations: {a: {hosts: 1}}", "receivers: nobody is to receive"},
		{"a: b: c", "t.yaml:1:4: not YAML"},
		{"artifact: [", "not YAML"},
		{"- a", "t.yaml:1:1: a mapping is expected here, not a list (write key: value for name, artifact"},
		{"true", "a mapping is expected here, not true or false"},
		{head + "---\nname: x", "t.yaml:4:1: a second YAML document (keep one"},
		{head + "name: a\nname: b", `t.yaml:4:1: not YAML: mapping key "name" already defined`},
		{head + "named: x", "t.yaml:3:1: named: unknown key (the keys here are name, artifact"},
		{head + "1: x", "t.yaml:3:1: 1: unknown key"},
		{head + "[a]: x", "not YAML"},
		{head + "name: a/b", `t.yaml:3:7: name: "a/b" cannot be part of a file's name (write for example figure-8`},
		{head + "name: [a]", "t.yaml:3:7: name: a value is expected here, not a list"},
		{head + "name: &x y", "not an anchor, alias or tag"},
		{head + "deadline: 40", `t.yaml:3:11: deadline: "40" is not a duration (write for example 20ms, 5s or 40m)`},
		{head + "stagger: -1s", `stagger: "-1s" is negative (write for`},
		{head + "store: mongo", `t.yaml:3:8: store: "mongo" is not known (write one of: redis redis-tls sentinel cluster embedded)`},
		{head + "strategy: {division: on}", "t.yaml:3:22: strategy.division: must be true or false, not a text or number (write true or false)"},
		{head + "strategy: {picker: best}", "strategy.picker: \"best\" is not known (write one of: random rarest sequential stealing market)"},
		{head + "strategy: {lowlatency: true}", "t.yaml:3:12: strategy.lowlatency: unknown key (the keys here are overlay, division, stealing, lowLatency, picker)"},
		{head + "bandwidth: {reserve: 1}", "bandwidth.reserve: 1 is not between 0 and 1 (write for example 0.2 or 20%"},
		{head + "bandwidth: {reserve: -5%}", "is not between 0 and 1"},
		{head + "bandwidth: {reserve: NaN}", "is not between 0 and 1"},
		{head + "bandwidth: {reserve: much}", `"much" is not a share`},
		{head + "bandwidth: {interval: 0s}", "bandwidth.interval: must be more than nothing (write"},
		{head + "security: {tls: 1}", "security.tls: must be true or false"},
		{head + "security: yes", "t.yaml:3:11: security: a mapping is expected here, not a text or number (write key: value for tls)"},
		{head + "host: fast", `t.yaml:3:7: host: rate "fast": not a number followed by a unit (write for example 2Gbit`},
		{head + "host: {up: -1Mbit}", `t.yaml:3:12: host.up: rate "-1Mbit"`},
		{head + "host: 0", "t.yaml:3:7: host: 0 lets nothing pass (write for example 10Mbit, or unlimited; what is cut off"},
		{head + "host: {up: 1Mbit, down: 0Mbit}", "t.yaml:3:25: host.down: 0 lets nothing pass (write for example 10Mbit"},
		{"artifact: {size: 1MB}\nlocations:\n  a: {hosts: 3, uplink: 0}", "t.yaml:3:25: locations.a.uplink: 0 lets nothing pass (write"},
		{"artifact: {size: 1MB}\nlocations:\n  a: {hosts: 3, uplink: {down: 0bit, up: 1Mbit}}", "t.yaml:3:32: locations.a.uplink.down: 0 lets nothing pass"},
		{"artifact: {size: 1MB}\nlocations:\n  a: {hosts: [1Mbit, 0]}", "t.yaml:3:22: locations.a.hosts[2]: 0 lets nothing pass"},
		{head + "faults: [{at: 1s, link: a, rate: 0}]", "t.yaml:3:34: faults[1].rate: 0 lets nothing pass (write for example 5Mbit; for no traffic write partition: LOCATION"},
		{head + "faults: [{at: 1s, link: a, down: 0}]", "t.yaml:3:34: faults[1].down: 0 lets nothing pass"},
		{head + "faults: [{at: 1s, slow: a/1, rate: 0}]", "t.yaml:3:36: faults[1].rate: 0 lets nothing pass"},
		{head + "host: {both: 1Mbit}", "host.both: unknown key (the keys here are up, down)"},
		{head + "initial: a/4", `t.yaml:3:10: initial: "a/4" is not a host (write one of a/1 to a/3)`},
		{head + "initial: a", `initial: "a" is not a host (write one of a/1 to a/3)`},
		{head + "initial: [b/1/1, c/1]", `t.yaml:3:18: initial[2]: "c/1" is not a host (write LOCATION/NUMBER`},
		{head + "initial: [a/1, a/1]", "t.yaml:3:16: initial[2]: a/1 is named twice (name it once)"},
		{head + "initial: []", "t.yaml:3:10: initial: nobody has the artifact (name a host)"},
		{head + "receivers: [a, x]", `t.yaml:3:16: receivers[2]: "x" is not a host`},
		{head + "receivers: a/1", "receivers: nobody is to receive"},
		{head + "background: {from: a/1}", "t.yaml:3:13: background: a list is expected here, not a mapping (write a list"},
		{head + "background: [{from: a/1, to: a/1, rate: 1Mbit}]", "background[1]: needs two different hosts (write from: HOST"},
		{head + "background: [{from: a/1, to: a/2}]", "background[1].rate: is missing, nothing or unlimited (write for"},
		{head + "background: [{from: a/1, to: a/2, rate: unlimited}]", "background[1].rate: is missing, nothing or unlimited"},
		{head + "background: [{from: a/1, to: a/2, rate: 1Mbit, start: 2s, stop: 1s}]", "background[1].stop: is not after start (write a later"},
		{head + "background: [{from: a/1, to: a/2, rate: 1Mbit, proto: http}]", `background[1].proto: "http" is not known (write one of: tcp udp)`},
		{head + "probes: [{from: a/1, to: a/9}]", `t.yaml:3:26: probes[1].to: "a/9" is not a host`},
		{head + "probes: [{from: a/1, to: a/2, proto: tcp}]", "(write one of: udp http)"},
		{head + "faults: [{kill: a/1}]", "t.yaml:3:10: faults[1]: does not say when (write at: 5s)"},
		{head + "faults:\n  - at: 1s", "t.yaml:4:5: faults[1]: does not say what happens (write one of kill, start"},
		{head + "faults: [{at: 1s, kill: a/1, start: a/1}]", "t.yaml:3:37: faults[1].start: kill and start in one fault (write an entry for each)"},
		{head + "faults: [{at: 1s, kill: a/1, for: 2s}]", "t.yaml:3:35: faults[1].for: belongs to partition, cpu, disk only (remove it)"},
		{head + "faults: [{at: 1s, snmp: a}]", "faults[1]: does not say what the device answers (write says: nothing, zeros or truth)"},
		{head + "faults: [{at: 1s, snmp: a, says: lies}]", `faults[1].says: "lies" is not known (write one of: truth zeros nothing)`},
		{head + "faults: [{at: 1s, snmp: a, says: zeros}]", "faults[1]: there are no devices that answer by SNMP (write bandwidth: {snmp: true})"},
		{head + "bandwidth: {snmp: true}\nfaults: [{at: 1s, snmp: a, says: zeros}]", "t.yaml:4:10: faults[1]: a has no device, as its uplink is unlimited (give it"},
		{head + "faults: [{at: 1s, cpu: a/1}]", "faults[1]: does not say how busy (write load: 90%)"},
		{head + "faults: [{at: 1s, cpu: a/1, load: 100%}]", "faults[1].load: 100% is not between 0 and 1"},
		{head + "faults: [{at: 1s, disk: a/1, load: 5%}]", "faults[1].load: belongs to cpu only"},
		{head + "faults: [{at: 1s, distribute: 0B}]", "faults[1]: distributes nothing (write for example distribute: 10MB)"},
		{head + "faults: [{at: 1s, distribute: 1MB, priority: high}]", `faults[1].priority: "high" is not known (write one of: background normal urgent)`},
		{head + "priority: high", `t.yaml:3:11: priority: "high" is not known`},
		{head + "window: {closes: 10s, opens: 20s}", "t.yaml:3:9: window: must be closed for whole minutes"},
		{head + "window: {closes: 10s}", "window: must be closed for whole minutes"},
		{head + "faults: [{at: 1s, slow: a/1, silent: true}]", "faults[1].silent: belongs to link only"},
		{head + "faults: [{at: 1s, rate: 1Mbit}]", "faults[1].rate: belongs to link, slow only"},
		{head + "faults: [{at: 1s, kill: a}]", `faults[1].kill: "a" is not a host (write one of`},
		{head + "faults: [{at: 1s, partition: a/1}]", `t.yaml:3:30: faults[1].partition: "a/1" is not a location (write one of a, b, b/1)`},
		{head + "faults: [{at: 1s, link: a}]", "faults[1]: does not say the new rate (write rate: 5Mbit, or up and down)"},
		{head + "faults: [{at: 1s, link: a, rate: 1Mbit, up: 1Mbit}]", "faults[1]: has rate beside up or down"},
		{head + "faults: [{at: 1s, slow: a/1}]", "faults[1]: does not say how slow"},
		{head + "faults: [{at: 1s, slow: a/1, up: 1Mbit}]", "faults[1].up: belongs to link only"},
		{head + "faults: [{at: 1s, move: a/1}]", "faults[1]: does not say where to (write to: LOCATION)"},
		{head + "faults: [{at: 1s, move: a/1, to: a}]", "t.yaml:3:10: faults[1]: a/1 is in a already (remove it, or change when it happens)"},
		{head + "faults: [{at: 1s, start: a/1}]", "a/1 was not killed before"},
		{head + "faults: [{at: 2s, kill: a/1}, {at: 1s, kill: a/1}]", "t.yaml:3:10: faults[1]: a/1 is killed already"},
		{head + "faults: [{at: 2s, start: store}]", "the store was not killed before"},
		{head + "faults: [{at: 2s, kill: store}, {at: 3s, kill: store}]", "the store is killed already"},
		{"artifact: {size: many}", `t.yaml:1:18: artifact.size: size "many": not a number followed by a unit (write for example 16MiB`},
		{"artifact: {piece: 100KB}", "t.yaml:1:19: artifact.piece: cannot be a length of pieces (write a power of two from 16KiB, or auto)"},
		{"artifact: {files: 0}", "artifact.files: 0 is out of range (write a whole number from 1 to 10000000)"},
		{"artifact: {seed: -1}", `artifact.seed: "-1" is not a whole number that is not negative`},
		{"locations: [a]", "t.yaml:1:12: locations: a mapping is expected here, not a list (write for"},
		{"locations: {a//b: {}}", `t.yaml:1:13: locations: location "a//b": label ""`},
		{"locations: {/: {hosts: 3}}", "the root has no uplink and no hosts of its own (write for example ams/b-5)"},
		{"locations: {a: {hosts: -1}}", "t.yaml:1:24: locations.a.hosts: -1 is out of range (write a whole number from 0 to"},
		{"locations: {a: {hosts: 1000000000}}", "locations.a.hosts: 1000000000 is out of range"},
		{"locations: {a: {hosts: 1.5}}", `locations.a.hosts: "1.5" is not a whole number`},
		{"locations: {a: {hosts: [{up: x}]}}", `t.yaml:1:30: locations.a.hosts[1].up: rate "x"`},
		{"locations: {a: {rtt: 5}}", "locations.a.rtt: \"5\" is not a duration"},
		{"locations: {a: {loss: 100%}}", "locations.a.loss: 100% is not between 0 and 1"},
		{"locations: {a: {hosts: 1}, a/1: {hosts: 2}}", "locations: a/1 is a location and host a/1 of a (give the location another name)"},
	} {
		s, err := Parse("t.yaml", []byte(c.text))
		if err == nil || s != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, %v; want an error with %s", c.text, s, err, c.want)
			continue
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.Contains(line, " (") {
				t.Errorf("%q: %s advises nothing", c.text, line)
			}
		}
	}
}

// All that is wrong is told at once, in the order of the file.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("t.yaml", []byte("faults: [{at: x, kill: nobody}]\nartifact: {size: x}\nlocations: {a: {uplink: x, hosts: y, rtt: z}}\n"))
	var where []string
	for line := range strings.Lines(err.Error()) {
		where = append(where, strings.Join(strings.SplitN(line, ": ", 3)[:2], " "))
	}
	want := "t.yaml:1:15 faults[1].at\nt.yaml:1:24 faults[1].kill\nt.yaml:2:18 artifact.size\nt.yaml:3:25 locations.a.uplink\nt.yaml:3:35 locations.a.hosts\nt.yaml:3:43 locations.a.rtt"
	if got := strings.Join(where, "\n"); got != want {
		t.Errorf("problems at\n%s\nwant\n%s", got, want)
	}
}

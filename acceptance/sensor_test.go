package acceptance

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi/conformance"
	"github.com/rackswarm/rackswarm/core/unit"
)

// sensorProcess is the process of a program that an agent has started, 0 for none.
func sensorProcess(parent int, program string) int {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		var pid, above int
		var state, name string
		before, after, _ := strings.Cut(string(text), ") ")
		if _, err := fmt.Sscanf(before, "%d (%s", &pid, &name); err != nil {
			continue
		}
		if _, err := fmt.Sscanf(after, "%s %d", &state, &above); err == nil && above == parent && state != "Z" && strings.HasPrefix(program, name) {
			return pid
		}
	}
	return 0
}

// A sensor's program tells how much of a link is used: the budget follows what it says,
// also after it was killed. What it says wrong, or does not say, gives a warning with
// the rates that are in force, and the floor.
func TestASensorTellsOfALink(t *testing.T) {
	t.Parallel()
	program := conformance.BuildSensor(t, "../core/pluginapi/skeleton/sensor", "skeleton")
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	catalog, file := filepath.Join(t.TempDir(), "drivers.sha256"), filepath.Join(t.TempDir(), "links")
	write(t, catalog, fmt.Sprintf("%x  %s\n", sha256.Sum256(text), program))
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 1), Env: []string{
		"RACKSWARM_DRIVERS=" + catalog,
		"RACKSWARM_DEVICES={flows: {sensor: skeleton, settings: {file: " + file + "}, links: {ams1/r1: {}}}}",
	}})
	// await has the sensor's source say something, again and again, until the agent's
	// answer holds.
	await := func(what, source string, holds func(l api.LinkStatus) bool) {
		t.Helper()
		fleet.Eventually(t, patience, what, func() error {
			if source != "" {
				write(t, file+".next", source)
				if err := os.Rename(file+".next", file); err != nil {
					return err
				}
			}
			var list api.LinkList
			f.JSON(&list, "links")
			if len(list.Links) != 1 || !holds(list.Links[0]) {
				return fmt.Errorf("it says %+v", list.Links)
			}
			return nil
		})
	}
	const gigabit = 125_000_000
	says := func(up, down int) string { return fmt.Sprintf("ams1/r1 %d %d %d\n", up, down, gigabit) }
	leaves := func(up, down unit.Rate) func(api.LinkStatus) bool {
		return func(l api.LinkStatus) bool {
			return l.Source == "sensor skeleton" && l.Measured && len(l.Warnings) == 0 && l.Up.Allowed() == up && l.Down.Allowed() == down && l.Up.Capacity == gigabit
		}
	}
	warns := func(fault, words string) func(api.LinkStatus) bool {
		return func(l api.LinkStatus) bool {
			return slices.ContainsFunc(l.Warnings, func(w api.LinkWarning) bool {
				return w.Fault == fault && strings.Contains(w.Message, words) && strings.Contains(w.Message, "; in force: 976.6 KiB/s up, 976.6 KiB/s down")
			})
		}
	}
	await("it says nothing", "", warns("silent", "there are no measurements yet"))
	await("others use a fifth", says(gigabit/5, 0), leaves(75_000_000, 100_000_000))
	await("others use a quarter", says(0, gigabit/4), leaves(100_000_000, 68_750_000))
	agent := f.Agents()[0].Pid()
	pid := sensorProcess(agent, filepath.Base(program))
	if pid == 0 {
		t.Fatal("the sensor's process is not found")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await("others use a fifth, after a crash", says(gigabit/5, gigabit/5), leaves(75_000_000, 75_000_000))
	if now := sensorProcess(agent, filepath.Base(program)); now == pid || now == 0 {
		t.Errorf("process %d was killed, and now it is %d", pid, now)
	}
	await("it says what cannot be", says(9*gigabit, 0), warns("absurd", "carries"))
	await("it speaks of another link", "ber1 1 1 1\n", warns("vanished", "there is no line for ams1/r1"))
	await("all is well again", says(gigabit/5, 0), leaves(75_000_000, 100_000_000))
}

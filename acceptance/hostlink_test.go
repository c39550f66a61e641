package acceptance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/api"
)

// stream is a script that sends datagrams to an address, about a megabyte a second, in
// one process.
const stream = `exec 3>/dev/udp/%s/9 2>/dev/null; trap '' PIPE
while sleep 0.05; do for i in {1..40}; do printf %%01400d 0 >&3; done; done`

// Requirement 39: what others use of a host's own link, beside the reserve, is not the
// agent's to use, from the next second on; what the agent moves itself is none of it.
func TestTheHostsOwnLink(t *testing.T) {
	if err := hosts.Unsupported(); err != nil {
		t.Skip(err)
	}
	s, err := hosts.New(t.Context(), hosts.Options{Names: []string{"a", "b"}, Programs: map[string]string{"rackswarm": fleet.Binary(t, "agent")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	const capacity = 24e6 / 8
	own := map[string]any{"host": map[string]any{"up": "24Mbit", "down": "24Mbit"}}
	if err := s.StartAgents(t.Context(), hosts.Agents{On: s.Hosts(), Settings: map[string]map[string]any{"b": own}}); err != nil {
		t.Fatal(err)
	}
	a, b := s.Host("a"), s.Host("b")
	run := func(h *hosts.Host, script string) string {
		t.Helper()
		out, err := h.Run(t.Context(), script)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	// await waits for the link of b as its agent tells it.
	await := func(what string, holds func(api.HostLink) bool) {
		t.Helper()
		fleet.Eventually(t, patience, what, func() error {
			var list api.LinkList
			text := run(b, "rackswarm links --json")
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				return err
			}
			if list.Host == nil || !holds(*list.Host) {
				return fmt.Errorf("it says %s", text)
			}
			return nil
		})
	}
	await("b knows its link", func(l api.HostLink) bool {
		return l.Interface == "eth0" && l.Measured && l.Down.Capacity == capacity && l.Down.Allowed() > 0.75*capacity && l.Up.Allowed() > 0.75*capacity
	})
	if text := run(a, "rackswarm links"); !strings.Contains(text, "Nothing limits the own link of host a") {
		t.Errorf("the speed of a veth counts: %s", text)
	}
	// It takes two minutes: nobody waits for its end.
	run(a, "mkdir /srv/big && head -c 256M /dev/urandom >/srv/big/f && rackswarm distribute big --source /srv/big --path /opt/big --node b")
	await("b receives, and takes that for its own", func(l api.HostLink) bool {
		return l.Down.Ours > capacity/10 && l.Down.Others < capacity/10
	})
	others, err := a.Start("stream", "bash", "-c", fmt.Sprintf(stream, b.Address))
	if err != nil {
		t.Fatal(err)
	}
	await("b leaves others what they use", func(l api.HostLink) bool {
		left := 0.8*capacity - float64(l.Down.Others)
		return l.Down.Others > capacity/10 && l.Down.Ours > 0 && float64(l.Down.Allowed()) <= left && l.Up.Allowed() > 0.75*capacity
	})
	fleet.Eventually(t, patience, "explain names the link", func() error {
		text := run(a, "rackswarm explain big b")
		for _, part := range []string{"link of host b, down", "stay free and others use"} {
			if !strings.Contains(text, part) {
				return fmt.Errorf("it says %s", text)
			}
		}
		return nil
	})
	if err := others.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	await("b has the link for itself again", func(l api.HostLink) bool {
		return l.Down.Others < capacity/10 && l.Down.Ours > capacity/10 && l.Down.Allowed() > 0.6*capacity
	})
}

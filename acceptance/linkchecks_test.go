package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// linkOn is the uplink of a host's rack, as its agent tells it.
func linkOn(t *testing.T, h *hosts.Host, location string) (api.LinkStatus, error) {
	t.Helper()
	var list api.LinkList
	must(t, json.Unmarshal([]byte(onHost(t, h, "rackswarm links --json")), &list))
	for _, l := range list.Links {
		if l.Location == location {
			return l, nil
		}
	}
	return api.LinkStatus{}, fmt.Errorf("link of %s is not listed: %+v", location, list.Links)
}

// wireBytes is how many bytes have come in over the wire of a host.
func wireBytes(t *testing.T, h *hosts.Host) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(onHost(t, h, "awk '/eth0:/ {print $2}' /proc/net/dev")), 10, 64)
	must(t, err)
	return n
}

// intake is how many bytes had come in over the wire of a host at a time.
type intake struct {
	bytes int64
	at    time.Time
}

func intakeOf(t *testing.T, h *hosts.Host) intake {
	t.Helper()
	return intake{wireBytes(t, h), time.Now()}
}

// rateSince is how fast bytes came in since before, on the mean.
func (i intake) rateSince(before intake) unit.Rate {
	return unit.Bytes(i.bytes - before.bytes).Per(i.at.Sub(before.at))
}

// distributeFrom distributes a file of a size to all hosts, and returns its SHA-256.
func distributeFrom(t *testing.T, seed *hosts.Host, size int) string {
	t.Helper()
	sum := onHost(t, seed, fmt.Sprintf("head -c %d /dev/urandom >/srv/data && sha256sum </srv/data", size))
	onHost(t, seed, "rackswarm distribute data --source /srv/data --path /opt/data")
	return sum
}

// hasContent says what is missing of the content on a host.
func hasContent(t *testing.T, h *hosts.Host, sum string) error {
	t.Helper()
	got, err := h.Run(t.Context(), "sha256sum </opt/data")
	if err == nil && got != sum {
		err = fmt.Errorf("it has %q", got)
	}
	return err
}

// warned says what is missing of what log and list are to say of a link of which the
// floor is in force.
func (b badLink) warned(t *testing.T, h *hosts.Host) error {
	t.Helper()
	l, err := linkOn(t, h, b.location())
	if err != nil {
		return err
	}
	if l.Down.Allowed() != floor || l.Up.Allowed() != floor {
		return fmt.Errorf("in force are %v and %v, not the floor %v: %+v", l.Up.Allowed(), l.Down.Allowed(), floor, l)
	}
	return b.told(t, h, l, "; in force: "+floor.String()+" up, "+floor.String()+" down")
}

// told says what is missing of what log and list are to say of a link, of which more is
// in the list alone.
func (b badLink) told(t *testing.T, h *hosts.Host, l api.LinkStatus, more string) error {
	t.Helper()
	says := func(text string) bool { return strings.Contains(text, b.says) && strings.Contains(text, b.fix) }
	if !slices.ContainsFunc(l.Warnings, func(w api.LinkWarning) bool {
		return w.Fault == string(b.fault) && says(w.Message) && strings.HasSuffix(w.Message, more)
	}) {
		return fmt.Errorf("the warnings are %+v", l.Warnings)
	}
	if text := onHost(t, h, "rackswarm links"); !strings.Contains(text, b.location()) || !says(text) {
		return errors.New(text)
	}
	log, err := os.ReadFile(h.Log("agent"))
	must(t, err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "link="+b.location()) && strings.Contains(line, "fault="+string(b.fault)) && says(line) {
			return nil
		}
	}
	return fmt.Errorf("the log does not say it:\n%s", log)
}

// explained says what is missing of what is to be said of the host's part in data.
func (b badLink) explained(t *testing.T, h *hosts.Host) error {
	t.Helper()
	text := onHost(t, h, "rackswarm explain data "+h.Name)
	for _, part := range []string{"uplink of " + b.location() + ", down", "Fix: have the link measured again", "rackswarm links"} {
		if !strings.Contains(text, part) {
			return errors.New(text)
		}
	}
	return nil
}

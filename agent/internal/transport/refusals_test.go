package transport

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// exhausted accepts nobody, as files are short, and is closed in the end.
type exhausted struct {
	net.Listener
	tries int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.tries--; e.tries < 0 {
		return nil, net.ErrClosed
	}
	return nil, syscall.EMFILE
}

// Who has no descriptor left says so now and then, and not ten times per second, on a
// disk that may be full, too.
func TestFailuresToAcceptAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logLines()
		tr := &Transport{log: log, ctx: t.Context(), listener: &exhausted{tries: 1500}, refused: refusals{hosts: map[string]*refuser{}}}
		tr.acceptLoop() // two minutes and a half
		if n := len(lines); n < 3*refusalLines-1 || n > 3*refusalLines {
			t.Errorf("%d lines", n)
		}
	})
}

// A host that is refused again and again is logged a few times per minute, and
// then with what was left out; others are not affected.
func TestRefusalsAreLoggedSeldom(t *testing.T) {
	r := refusals{hosts: map[string]*refuser{}}
	start := time.Unix(1000, 0)
	lines := 0
	for range 100 {
		if _, log := r.note("192.0.2.1", start); log {
			lines++
		}
	}
	if lines != refusalLines {
		t.Errorf("%d lines of 100 refusals", lines)
	}
	if silent, log := r.note("192.0.2.2", start); !log || silent != 0 {
		t.Errorf("another host: logged %v after %d", log, silent)
	}
	if silent, log := r.note("192.0.2.1", start.Add(refusalPeriod)); !log || silent != 100-refusalLines {
		t.Errorf("a minute later: logged %v after %d", log, silent)
	}
}

// However many hosts come, memory is bounded, and hosts that were quiet make room.
func TestRefusersAreBounded(t *testing.T) {
	r := refusals{hosts: map[string]*refuser{}}
	start := time.Unix(1000, 0)
	lines := 0
	for i := range 3 * maxRefusers {
		if _, log := r.note(fmt.Sprint("host ", i), start); log {
			lines++
		}
	}
	if len(r.hosts) > maxRefusers+1 || lines != maxRefusers+refusalLines {
		t.Errorf("%d hosts are remembered, %d lines", len(r.hosts), lines)
	}
	r.note("one more", start.Add(refusalPeriod))
	if len(r.hosts) != 1 {
		t.Errorf("%d hosts are remembered", len(r.hosts))
	}
}

package transport

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// refusalLines is how often a refused connection of one host is logged within
	// refusalPeriod: enough to see different reasons.
	refusalLines  = 8
	refusalPeriod = time.Minute
	// maxRefusers bounds the hosts that are told apart; all others count as one.
	maxRefusers = 1024
)

// refusals bounds what is logged about refused connections, so that a stranger
// that comes again and again fills no log. It is safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	hosts map[string]*refuser
}

// refuser is a host of which connections were refused.
type refuser struct {
	since  time.Time // beginning of its period
	logged int       // in the period
	silent int       // not logged, since the last that was
}

// note counts a refusal of a host, or of every one. It reports whether that is to be
// logged, and how many of the host were not since the last one.
func (r *refusals) note(host string, now time.Time) (silent int, log bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.refuser(host, now)
	if now.Sub(h.since) >= refusalPeriod {
		h.since, h.logged = now, 0
	}
	if h.logged == refusalLines {
		h.silent++
		return 0, false
	}
	h.logged++
	silent, h.silent = h.silent, 0
	return silent, true
}

func (r *refusals) refuser(host string, now time.Time) *refuser {
	if h := r.hosts[host]; h != nil {
		return h
	}
	if len(r.hosts) >= maxRefusers {
		r.forget(now)
	}
	if len(r.hosts) >= maxRefusers {
		host = "" // of all others
	}
	h := r.hosts[host]
	if h == nil {
		h = &refuser{since: now}
		r.hosts[host] = h
	}
	return h
}

// forget drops hosts whose period is over.
func (r *refusals) forget(now time.Time) {
	for host, h := range r.hosts {
		if now.Sub(h.since) >= refusalPeriod {
			delete(r.hosts, host)
		}
	}
}

// LogRefused logs that a connection was refused, and why: eight times per host
// and minute, with how many of the host were not logged before.
func (t *Transport) LogRefused(level slog.Level, from net.Addr, why error) {
	if !t.log.Enabled(t.ctx, level) {
		return
	}
	host, _, err := net.SplitHostPort(from.String())
	if err != nil {
		host = from.String()
	}
	silent, log := t.refused.note(host, time.Now())
	if !log {
		return
	}
	attrs := []any{"from", from.String(), "error", why}
	if silent > 0 {
		attrs = append(attrs, "not_logged", silent)
	}
	t.log.Log(t.ctx, level, "connection refused", attrs...)
}

package hostload

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// every is how often the host is looked at.
	every = time.Second
	// takesPart is from which rate on, both directions together, our transfers have a
	// part in how fast the disk answers.
	takesPart unit.Rate = 256 << 10
)

// Config says what is looked at, and what is asked for.
type Config struct {
	Host   probe.HostConfig
	Impact bandwidth.Impact
	// Moved is what the agent has moved over the host's link so far, in bytes on the
	// wire. It is called by the goroutine of Run.
	Moved  func() bandwidth.Moved
	Logger *slog.Logger // nil discards
}

// Load knows how busy this host is. It is safe for concurrent use; before Run, and
// until Run has looked twice, nothing is busy.
type Load struct {
	config Config
	log    *slog.Logger
	host   *probe.Host
	epoch  time.Time

	// These are touched only by Run.
	meter     bandwidth.HostMeter
	throttled map[string]time.Duration
	own       bandwidth.Moved
	last      unit.Time
	nic       string // that the last sample is of
	failed    string // the error that was logged

	mu   sync.Mutex
	load *bandwidth.HostLoad
	use  bandwidth.HostUse
	seen bool
	// most is the highest rate of the interface that was seen, which stands for its
	// speed where the kernel tells none, as of a virtual one.
	most unit.Rate
}

// New returns the load of this host. It fails if there is no Host.Path.
func New(c Config) (*Load, error) {
	host, err := probe.NewHost(c.Host)
	if err != nil {
		return nil, fmt.Errorf("look at this host: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Load{
		config: c, log: c.Logger, host: host, epoch: time.Now(),
		throttled: map[string]time.Duration{}, load: bandwidth.NewHostLoad(c.Impact),
	}, nil
}

// Run looks at the host once a second until ctx ends. What cannot be read does not
// limit; it is logged when it begins, and when it changes.
func (l *Load) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		l.look(unit.Time(time.Since(l.epoch)))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Limit is the budget of the host's own link as the load of the host leaves it.
func (l *Load) Limit(b bandwidth.Budget) bandwidth.Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.load.Limit(b, cmp.Or(l.use.Speed, l.most))
}

// Use is how busy the host was in the last second; false while that is not known.
func (l *Load) Use() (bandwidth.HostUse, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.use, l.seen
}

// look takes a sample at a time after the epoch.
func (l *Load) look(now unit.Time) {
	own := l.config.Moved()
	sample, err := l.host.Sample(now, own)
	over := now.Sub(l.last)
	held, heldErr := l.heldBack(over)
	l.report(err, heldErr)
	ours := bandwidth.Moved{Up: own.Up - l.own.Up, Down: own.Down - l.own.Down}
	same := l.host.Interface() == l.nic && l.nic != "" // counters of another one do not go on from there
	l.own, l.last, l.nic = own, now, l.host.Interface()
	use, ok := l.meter.Sample(sample)
	if !ok {
		return
	}
	use.CPUIdle = min(use.CPUIdle, 1-held)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.use, l.seen = use, true
	if same {
		l.most = max(l.most, use.OthersUp+rateOf(ours.Up, over), use.OthersDown+rateOf(ours.Down, over))
	}
	l.load.Use(use, ours.Up+ours.Down >= takesPart.In(over))
}

// rateOf is the mean rate of an amount over a time.
func rateOf(n unit.Bytes, over time.Duration) unit.Rate {
	if over <= 0 {
		return 0
	}
	return unit.Rate(float64(n) / over.Seconds())
}

// heldBack is the part of a time in which a control group was held back that the
// agent is in: of the group in which it was longest.
func (l *Load) heldBack(over time.Duration) (most bandwidth.Part, err error) {
	groups, err := l.host.Throttled()
	for _, g := range groups {
		if was, known := l.throttled[g.Group]; known && over > 0 {
			most = max(most, bandwidth.Part(g.Time-was)/bandwidth.Part(over))
		}
		l.throttled[g.Group] = g.Time
	}
	return min(most, 1), err
}

// report logs what cannot be read, once.
func (l *Load) report(errs ...error) {
	said := ""
	for _, err := range errs {
		if err != nil {
			said += err.Error() + "; "
		}
	}
	if said != l.failed && said != "" {
		l.log.Warn("some of this host's load is not known, and does not limit", "error", said[:len(said)-len("; ")])
	}
	l.failed = said
}

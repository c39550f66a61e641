package hostload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/once"
	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
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
	// Up and Down are what the host's own link carries, in place of the interface's
	// speed; 0 for that, unit.Unlimited for a link that never limits.
	Up, Down unit.Rate
	// Policy says how much of the link may be used.
	Policy bandwidth.Policy
	// Moved is what the agent has moved over the host's link so far, in bytes on the
	// wire. It is called by the goroutine of Run.
	Moved  func() bandwidth.Moved
	Logger *slog.Logger // nil discards
}

// Load knows how busy this host and its own link are. It is safe for concurrent use;
// before Run, and until Run has looked twice, nothing is busy, and a link whose
// capacity is known has the floor.
type Load struct {
	config Config
	log    *slog.Logger
	host   *probe.Host
	epoch  time.Time

	// These are touched only by Run.
	meter     bandwidth.HostMeter
	throttled map[string]time.Duration
	last      unit.Time
	said      once.Said // of what cannot be read

	mu   sync.Mutex
	load *bandwidth.HostLoad
	link *bandwidth.HostLink
	nic  string // the interface that was looked at last
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
		throttled: map[string]time.Duration{}, load: bandwidth.NewHostLoad(c.Impact), link: bandwidth.NewHostLink(c.Up, c.Down),
	}, nil
}

// Run looks at the host once a second until ctx ends. What cannot be read is logged
// when it begins, when it changes, and once in a while. It does not limit, but for
// others' use of a link that limits: the longer that is not known, the less is left, down
// to the floor.
func (l *Load) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		l.look(l.now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Load) now() unit.Time { return unit.Time(time.Since(l.epoch)) }

// Limit is what is left of b, a budget of block payload over the host's own link: what
// others and the reserve leave there, less what a busy host takes off.
func (l *Load) Limit(b bandwidth.Budget) bandwidth.Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	b = bandwidth.Least(l.link.Budget(l.now(), b.Binding.Hop, l.config.Policy).Payload(), b)
	return l.load.Limit(b, l.use.Speed, l.most)
}

// Link is what is known of the link of this host, node at a location, in bytes per
// second on the wire. Its budgets are what is left for all that the agent moves.
func (l *Load) Link(node unit.NodeID, at unit.Location) api.HostLink {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	age, measured := l.link.Age(now)
	s := api.HostLink{Node: string(node), Interface: l.nic, Measured: measured}
	if measured {
		s.Age = age.Seconds()
	}
	s.Up = l.direction(now, topo.Hop{Location: at, Node: node, Up: true}, l.use.OwnUp)
	s.Down = l.direction(now, topo.Hop{Location: at, Node: node}, l.use.OwnDown)
	return s
}

func (l *Load) direction(now unit.Time, h topo.Hop, ours unit.Rate) api.LinkDirection {
	b := l.load.Limit(l.link.Budget(now, h, l.config.Policy), l.use.Speed, l.most)
	capacity := l.link.Capacity(h.Up)
	if capacity == unit.Unlimited {
		capacity = 0
	}
	return api.LinkDirection{Capacity: int64(capacity), Others: int64(l.link.Others(h.Up)), Ours: int64(ours),
		Budget: api.BudgetOf(b.Rate), Reason: string(b.Binding.Reason), Why: b.Binding.String()}
}

// Use is how busy the host was in the last second; false while that is not known.
func (l *Load) Use() (bandwidth.HostUse, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.use, l.seen
}

// look takes a sample at a time after the epoch.
func (l *Load) look(now unit.Time) {
	sample, err := l.host.Sample(now, l.config.Moved())
	over := now.Sub(l.last)
	held, heldErr := l.heldBack(over)
	l.report(now, errors.Join(err, heldErr))
	l.last = now
	use, ok := l.meter.Sample(sample)
	l.mu.Lock()
	defer l.mu.Unlock()
	if sample.Interface != "" {
		l.nic = sample.Interface
		l.link.Speed(sample.Speed)
	}
	if !ok {
		return
	}
	use.CPUIdle = min(use.CPUIdle, 1-held)
	l.use, l.seen = use, true
	l.link.Use(use)
	if use.Interface != "" {
		l.most = max(l.most, use.OthersUp+use.OwnUp, use.OthersDown+use.OwnDown)
	}
	l.load.Use(use, use.OwnUp+use.OwnDown >= takesPart)
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

// report logs what cannot be read, each thing once in once.Again: which it is may change
// every second, as when the process has no descriptors left.
func (l *Load) report(now unit.Time, err error) {
	if err == nil {
		return
	}
	var news []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); l.said.News(l.epoch.Add(time.Duration(now)), line, "") {
			news = append(news, line)
		}
	}
	if len(news) > 0 {
		l.log.Warn("some of this host's load is not known: it does not limit, but for a link whose use is not known", "error", strings.Join(news, "; "))
	}
}

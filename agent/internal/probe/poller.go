package probe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// maxPause is the longest pause after queries that failed.
	maxPause = 5 * time.Second
	// findPause is between two searches for an interface that is not there.
	findPause = 30 * time.Second
	// linksPerQuery keep a query within what devices accept.
	linksPerQuery = (gosnmp.MaxOids - 1) / oidsPerLink
)

// Config says what a Poller polls.
type Config struct {
	Device Device
	// Time is the time of a moment, on the caller's scale.
	Time func(time.Time) unit.Time
	// Own returns what the agents themselves have moved over a link since any
	// beginning, for bandwidth.Reading.Own. Nil if that is not known.
	Own func(unit.Location) bandwidth.Moved
	// Report is called by Run after each query, for each link that it was for.
	Report func(Report)
}

// Report is what is known of a link after a query.
type Report struct {
	Link unit.Location
	Use  bandwidth.Use // the last that was measured; see its age
	// Known is false while there is no use, or none that can be believed.
	Known bool
	// Refresh is how often the device renews its counters, 0 while that is not known.
	Refresh time.Duration
	Err     *Error              // of this query
	News    []bandwidth.Warning // what is wrong since this query
	Faults  []bandwidth.Warning // what is wrong now
}

// Poller polls a device and measures the use of its links.
type Poller struct {
	config Config
	dial   func(context.Context) (session, error)

	// What follows belongs to Run.
	session session // nil if there is none
	links   []*link
	turn    int // of the first link of the next query
	pause   time.Duration
}

// link is one of a device's links.
type link struct {
	Link
	meter *bandwidth.Meter
	index int // 0 if it is not known
	find  time.Time
}

// NewPoller returns a poller; Run does the work. Errors are those of the
// configuration.
func NewPoller(c Config) (*Poller, error) {
	if err := c.Device.Check(); err != nil {
		return nil, err
	}
	c.Device = c.Device.withDefaults()
	if c.Own == nil {
		c.Own = func(unit.Location) bandwidth.Moved { return bandwidth.Moved{} }
	}
	p := &Poller{config: c}
	pace := &pacer{every: MinInterval}
	p.dial = func(ctx context.Context) (session, error) { return dial(ctx, c.Device, pace) }
	for _, l := range c.Device.Links {
		p.links = append(p.links, &link{Link: l, index: l.Index, meter: bandwidth.NewMeter(l.MeterConfig)})
	}
	return p, nil
}

// Run polls until ctx ends. It is called once.
func (p *Poller) Run(ctx context.Context) {
	defer p.hangUp()
	for ctx.Err() == nil {
		began := time.Now()
		p.query(ctx)
		wait := max(time.Until(began.Add(p.config.Device.Interval)), p.pause)
		if pause.For(ctx, wait) != nil {
			return
		}
	}
}

// query asks for the next links once, and searches for interfaces first if some
// are not known.
func (p *Poller) query(ctx context.Context) {
	asked := p.next()
	err := p.connect(ctx)
	if err == nil {
		err = p.search()
	}
	if err == nil {
		err = p.read(asked)
	}
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		p.pause = 0
		return
	}
	p.pause = min(max(2*p.pause, p.config.Device.Interval), maxPause)
	p.hangUp() // keys and clocks are exchanged anew
	for _, l := range asked {
		e := explain(p.config.Device, err)
		p.fail(l, e)
	}
}

// next returns the links of the next query.
func (p *Poller) next() []*link {
	n := min(len(p.links), linksPerQuery)
	asked := make([]*link, n)
	for i := range asked {
		asked[i] = p.links[(p.turn+i)%len(p.links)]
	}
	if n > 0 {
		p.turn = (p.turn + n) % len(p.links)
	}
	return asked
}

func (p *Poller) connect(ctx context.Context) error {
	if p.session != nil {
		return nil
	}
	s, err := p.dial(ctx)
	if err != nil {
		return err
	}
	p.session = s
	return nil
}

func (p *Poller) hangUp() {
	if p.session != nil {
		p.session.close()
		p.session = nil
	}
}

// search looks for the interfaces that are not known, now and then.
func (p *Poller) search() error {
	t := table{session: p.session, columns: map[string]map[string]any{}}
	for _, l := range p.links {
		if l.index != 0 || time.Now().Before(l.find) {
			continue
		}
		found, err := t.find(l.Link)
		if err != nil {
			return err
		}
		l.find = time.Now().Add(findPause)
		switch len(found) {
		case 1:
			l.index = found[0]
		case 0:
			p.failed(l, l.vanished())
		default:
			p.failed(l, &readFault{bandwidth.FaultVanished, fmt.Sprintf("it has %d times an %s", len(found), l), "tell the interface by its index"})
		}
	}
	return nil
}

// table is a device's table of interfaces, its columns fetched when they are
// needed.
type table struct {
	session session
	columns map[string]map[string]any
}

func (t *table) column(oid string) (map[string]any, error) {
	if rows, ok := t.columns[oid]; ok {
		return rows, nil
	}
	rows, err := t.session.column(oid)
	if err == nil {
		t.columns[oid] = rows
	}
	return rows, err
}

// find returns the indexes of an interface. Of several with its name those that
// are down do not count: devices remember interfaces that are gone.
func (t *table) find(l Link) ([]int, error) {
	column, want := l.label()
	rows, err := t.column(column)
	if err != nil {
		return nil, err
	}
	found := indexes(rows, want)
	if len(found) < 2 {
		return found, nil
	}
	status, err := t.column(oidStatus)
	return slices.DeleteFunc(found, func(index int) bool { return down(status[strconv.Itoa(index)]) }), err
}

// read asks for links whose interfaces are known, in one query.
func (p *Poller) read(asked []*link) error {
	oids := []string{oidUpTime}
	for _, l := range asked {
		if l.index != 0 {
			oids = append(oids, l.oids(l.index)...)
		}
	}
	if len(oids) == 1 {
		return nil
	}
	values, at, err := p.session.get(oids)
	if err != nil {
		return err
	}
	for _, l := range asked {
		if l.index != 0 {
			p.take(l, values, at)
		}
	}
	return nil
}

// take takes what was answered of a link.
func (p *Poller) take(l *link, values map[string]any, at time.Time) {
	r, fault := l.reading(values, l.index, p.config.Time(at))
	if fault != nil {
		if l.Index == 0 {
			l.index, l.find = 0, time.Time{} // it may have another index by now
		}
		p.failed(l, fault)
		return
	}
	r.Own = p.config.Own(l.Link.Link)
	p.report(l, nil, l.meter.Read(r))
}

func (p *Poller) failed(l *link, f *readFault) {
	p.fail(l, &Error{Source: p.config.Device.String(), Fault: f.fault, Message: f.message, Fix: f.fix})
}

func (p *Poller) fail(l *link, e *Error) {
	e.Link = l.Link.Link
	p.report(l, e, l.meter.Fail(e.Fault, e.text()))
}

func (p *Poller) report(l *link, err *Error, news []bandwidth.Warning) {
	use, known := useOf(l.meter, l.MeterConfig)
	refresh, _ := l.meter.Refresh()
	p.config.Report(Report{Link: l.Link.Link, Use: use, Known: known, Refresh: refresh, Err: err, News: news, Faults: l.meter.Faults()})
}

// useOf is what a meter knows of a link. What the operator says that the link carries
// counts also where nothing was ever read: its floor follows from that.
func useOf(m *bandwidth.Meter, c bandwidth.MeterConfig) (use bandwidth.Use, known bool) {
	use, known = m.Use()
	use.UpCapacity, use.DownCapacity = cmp.Or(use.UpCapacity, c.Up), cmp.Or(use.DownCapacity, c.Down)
	return use, known
}

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// fake is a device in memory, of which each packet takes its turn.
type fake struct {
	pace  pacer
	began time.Time

	mu      sync.Mutex
	names   map[int]string // of interfaces, by index
	rate    uint64         // bytes per second out of each
	broken  error
	packets []time.Duration // when they came
	dials   int
	reports []Report // since pass was called
}

// change changes the device.
func (f *fake) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

// pass lets time go by, and returns the reports that came.
func (f *fake) pass(d time.Duration) []Report {
	f.change(func() { f.reports = nil })
	time.Sleep(d)
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reports
}

func (f *fake) arrive(ctx context.Context) error {
	if err := f.pace.wait(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.packets = append(f.packets, time.Since(f.began))
	return f.broken
}

// talk is a session with a fake.
type talk struct {
	device *fake
	ctx    context.Context
}

func (s *talk) close() {}

func (s *talk) column(root string) (map[string]any, error) {
	if err := s.device.arrive(s.ctx); err != nil {
		return nil, err
	}
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	rows := map[string]any{}
	for index, name := range s.device.names {
		if root == oidStatus {
			rows[fmt.Sprint(index)] = 1
		} else {
			rows[fmt.Sprint(index)] = []byte(name)
		}
	}
	return rows, nil
}

func (s *talk) get(oids []string) (map[string]any, time.Time, error) {
	if err := s.device.arrive(s.ctx); err != nil {
		return nil, time.Time{}, err
	}
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	up := time.Since(s.device.began)
	values := map[string]any{oidUpTime: uint32(up / (10 * time.Millisecond))}
	for index, name := range s.device.names {
		values[of(oidName, index)] = []byte(name)
		values[of(oidIn, index)] = uint64(5)
		values[of(oidOut, index)] = uint64(up.Seconds() * float64(s.device.rate))
		values[of(oidSpeed, index)] = uint(100)
	}
	for oid := range values {
		if !slices.Contains(oids, oid) {
			delete(values, oid)
		}
	}
	return values, time.Now(), nil
}

// polled runs story in a bubble while a fake with the links is polled.
func polled(t *testing.T, links []Link, story func(t *testing.T, f *fake)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{names: map[int]string{7: "ge-0"}, rate: 1e6, pace: pacer{every: MinInterval}, began: time.Now()}
		p, err := NewPoller(Config{
			Device: Device{Host: "switch", Community: "public", Links: links},
			Time:   func(at time.Time) unit.Time { return unit.Time(at.Sub(f.began)) },
			Report: func(r Report) { f.change(func() { f.reports = append(f.reports, r) }) },
		})
		if err != nil {
			t.Fatal(err)
		}
		p.dial = func(ctx context.Context) (session, error) {
			f.change(func() { f.dials++ })
			return &talk{f, ctx}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Run(ctx)
		}()
		story(t, f)
		cancel()
		<-ended
		for i := range f.packets[1:] {
			if gap := f.packets[i+1] - f.packets[i]; gap < MinInterval {
				t.Errorf("two packets within %v", gap)
			}
		}
	})
}

func named(name string, at unit.Location) Link {
	return Link{Name: name, MeterConfig: bandwidth.MeterConfig{Link: at}}
}

func TestALinkIsPolledEverySecond(t *testing.T) {
	polled(t, []Link{named("ge-0", "ams")}, func(t *testing.T, f *fake) {
		f.pass(10500 * time.Millisecond)
		got := f.pass(10 * time.Second)
		for _, r := range got {
			if r.Link != "ams" || !r.Known || r.Use.Up != 1e6 || r.Use.UpCapacity != 100e6/8 || r.Err != nil || len(r.News) > 0 {
				t.Errorf("%+v", r)
			}
		}
		if len(got) != 10 || f.dials != 1 {
			t.Errorf("%d reports in 10 s, %d dials", len(got), f.dials)
		}
	})
}

// While nothing is answered, queries become rare; the last use grows old; and
// it goes on by itself.
func TestFailuresAreReportedAndRetried(t *testing.T) {
	polled(t, []Link{named("ge-0", "ams")}, func(t *testing.T, f *fake) {
		before := f.pass(10 * time.Second)
		last := before[len(before)-1].Use
		f.change(func() { f.broken = context.DeadlineExceeded })
		got := f.pass(time.Minute)
		for i, r := range got {
			if r.Err == nil || r.Err.Link != "ams" || r.Use != last || (len(r.News) > 0) != (i == 0) {
				t.Errorf("report %d: %+v", i, r)
			}
		}
		if len(got) < 10 || len(got) > 20 {
			t.Errorf("%d queries in a minute without answers", len(got))
		}
		f.change(func() { f.broken = nil })
		got = f.pass(maxPause + 5*time.Second)
		if r := got[len(got)-1]; r.Err != nil || r.Use.Up != 1e6 || r.Use == last {
			t.Errorf("afterwards %+v", r)
		}
	})
}

func TestAnInterfaceIsFoundAgainUnderAnotherIndex(t *testing.T) {
	polled(t, []Link{named("ge-0", "ams")}, func(t *testing.T, f *fake) {
		f.pass(5 * time.Second)
		f.change(func() { f.names = map[int]string{7: "ge-1", 8: "ge-0"} })
		got := f.pass(5500 * time.Millisecond)
		if first := got[0]; first.Err == nil || first.Err.Fault != bandwidth.FaultVanished {
			t.Errorf("%+v", first)
		}
		got = f.pass(4 * time.Second)
		if r := got[len(got)-1]; r.Err != nil || r.Use.Up != 1e6 {
			t.Errorf("%+v", r)
		}
	})
}

// One interface that is missing does not keep the others from being polled.
func TestAMissingInterfaceIsSearchedSeldom(t *testing.T) {
	polled(t, []Link{named("ge-0", "ams"), named("ge-9", "ber")}, func(t *testing.T, f *fake) {
		count := map[unit.Location]int{}
		for _, r := range f.pass(5 * time.Minute) {
			count[r.Link]++
		}
		if count["ams"] < 280 || count["ber"] < 9 || count["ber"] > 11 {
			t.Errorf("reports: %v", count)
		}
		f.change(func() { f.names[9] = "ge-9" })
		got := f.pass(findPause + 5*time.Second)
		if r := got[len(got)-1]; r.Link != "ber" || r.Err != nil || !r.Known {
			t.Errorf("%+v", r)
		}
	})
}

// The floor of a link that was never measured follows from what the operator says that
// it carries.
func TestCapacitiesOfALinkThatWasNeverRead(t *testing.T) {
	l := named("ge-1", "ams")
	l.Up, l.Down = 5e6, 1e6
	polled(t, []Link{l}, func(t *testing.T, f *fake) {
		for _, r := range f.pass(5 * time.Second) {
			if r.Known || r.Use.UpCapacity != 5e6 || r.Use.DownCapacity != 1e6 {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestANameThatIsThereTwice(t *testing.T) {
	polled(t, []Link{named("ge-0", "ams")}, func(t *testing.T, f *fake) {
		f.pass(5500 * time.Millisecond)
		f.change(func() { f.names = map[int]string{8: "ge-0", 9: "ge-0"} })
		got := f.pass(5 * time.Second)
		if len(got) != 2 || !strings.Contains(got[1].Err.Error(), "2 times an interface ge-0 (tell the interface by its index)") {
			t.Errorf("%+v", got)
		}
	})
}

// More links than fit into a query are asked for in turn.
func TestManyLinksTakeTurns(t *testing.T) {
	var links []Link
	for i := range 20 {
		links = append(links, named("ge-0", unit.Location(fmt.Sprint("r", i))))
	}
	polled(t, links, func(t *testing.T, f *fake) {
		f.pass(10 * time.Second)
		last := map[unit.Location]Use{}
		for _, r := range f.pass(20 * time.Second) {
			last[r.Link] = Use{r.Use.Up, r.Use.Over}
		}
		for link, use := range last {
			if use.up < 999e3 || use.up > 1001e3 || use.over > 4*time.Second {
				t.Errorf("%s: %+v", link, use)
			}
		}
		if len(last) != len(links) {
			t.Errorf("%d of %d links were reported", len(last), len(links))
		}
	})
}

// Use is a rate and its time.
type Use struct {
	up   unit.Rate
	over time.Duration
}

// Packets of all kinds wait for their turn, and their answers from then on.
func TestPacketsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		began := time.Now()
		conn := &pacedConn{Conn: near, ctx: t.Context(), pace: &pacer{every: time.Second}, timeout: 100 * time.Millisecond}
		go func() {
			buffer := make([]byte, 10)
			for range 5 {
				if _, err := far.Read(buffer); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range time.Duration(5) {
			if err := conn.SetDeadline(time.Now().Add(conn.timeout)); err != nil { // as gosnmp does before
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if at := time.Since(began); at != i*time.Second {
				t.Errorf("packet %d went after %v", i, at)
			}
		}
		_, err := conn.Read(make([]byte, 1))
		if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(began) != 4*time.Second+conn.timeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

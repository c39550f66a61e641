package conformance

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

// SensorConfig is a bandwidth sensor under test. Program is needed, and Set or
// Links.
type SensorConfig struct {
	// Program is the path of the sensor's program, rackswarm-sensor-NAME;
	// BuildSensor makes one.
	Program string
	// Settings are those with which the sensor reads.
	Settings map[string]string
	// Set makes the sensor's source say that links are used so, and no other links
	// be there. Without it the sensor is tested with what its source says, of Links.
	Set func(t *testing.T, readings []pluginapi.LinkReading)
	// Links are links that the sensor knows. With Set there is no need of them.
	Links []string
	// Timeout bounds each call, and the time until the sensor says what was Set;
	// 1 min by default.
	Timeout time.Duration
}

// TestSensor runs all tests with the sensor of c.
func TestSensor(t *testing.T, c SensorConfig) {
	t.Helper()
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	s := &sensorSuite{SensorConfig: c}
	if c.Set != nil {
		s.Links = []string{"conformance", "conformance/r1"}
		s.set(t, 1000)
	}
	s.start(t)
	t.Run("Describe", s.describe)
	t.Run("UnknownSetting", s.unknownSetting)
	t.Run("UnknownLink", s.unknownLink)
	t.Run("Links", s.links)
	t.Run("Change", s.change)
	t.Run("ManyAtATime", s.manyAtATime)
	t.Run("Cancelled", s.cancelled)
	t.Run("Killed", s.killed)
}

// BuildSensor builds the Go package pkg as the program of the sensor of that
// name, and returns its path.
func BuildSensor(t *testing.T, pkg, name string) string {
	t.Helper()
	return build(t, pkg, pluginhost.SensorPrefix+name)
}

// noSuchLink is a link that no sensor knows.
const noSuchLink = "no-such-place/no-such-rack"

// sensorSuite is a run of the tests.
type sensorSuite struct {
	SensorConfig
	sensor pluginapi.BandwidthSensor
}

// start starts the program as an agent does.
func (s *sensorSuite) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), s.Timeout)
	defer cancel()
	var err error
	s.sensor, err = newHost(t, s.Program).Sensor(ctx, strings.TrimPrefix(filepath.Base(s.Program), pluginhost.SensorPrefix))
	if err != nil {
		t.Fatal(err)
	}
}

// wanted are readings of the links, of which scale is a part.
func (s *sensorSuite) wanted(scale int64) []pluginapi.LinkReading {
	var all []pluginapi.LinkReading
	for i, link := range s.Links {
		n := int64(i + 1)
		all = append(all, pluginapi.LinkReading{
			Link: link, Up: scale * n, Down: 2 * scale * n, UpCapacity: 100 * scale * n, DownCapacity: 100 * scale * n,
		})
	}
	return all
}

func (s *sensorSuite) set(t *testing.T, scale int64) {
	t.Helper()
	s.Set(t, s.wanted(scale))
}

func (s *sensorSuite) read(t *testing.T, links ...string) ([]pluginapi.LinkReading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), s.Timeout)
	defer cancel()
	return s.sensor.Read(ctx, s.Settings, links)
}

func (s *sensorSuite) describe(t *testing.T) {
	d, err := s.sensor.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name == "" || d.Version == "" {
		t.Errorf("name %q and version %q have to be told", d.Name, d.Version)
	}
	checkSettings(t, d.Settings)
}

func (s *sensorSuite) unknownSetting(t *testing.T) {
	settings := map[string]string{"no_such_setting": "1"}
	maps.Copy(settings, s.Settings)
	_, err := s.sensor.Read(t.Context(), settings, s.Links)
	if code := codeOf(err); code != pluginapi.CodeInvalid {
		t.Errorf("Read with a setting that Describe does not name: %v; want an error with code %q", err, pluginapi.CodeInvalid)
	}
}

// A link that is not known is an error of its own reading, beside the others.
func (s *sensorSuite) unknownLink(t *testing.T) {
	readings, err := s.read(t, append([]string{noSuchLink}, s.Links...)...)
	if err != nil {
		t.Fatal(err)
	}
	if r := readings[0]; r.Err == nil || r.Err.Code != pluginapi.CodeInvalid || r.Err.Message == "" {
		t.Errorf("a link that is not there: %+v, %v; want an error with code %q", r, r.Err, pluginapi.CodeInvalid)
	}
	s.plausible(t, readings[1:])
}

// plausible fails unless each is a reading that an agent can use.
func (s *sensorSuite) plausible(t *testing.T, readings []pluginapi.LinkReading) {
	t.Helper()
	for _, r := range readings {
		if r.Err != nil {
			t.Errorf("link %s: %v", r.Link, r.Err)
			continue
		}
		if above(r.Up, r.UpCapacity) || above(r.Down, r.DownCapacity) {
			t.Errorf("link %s carries more than it can: %+v", r.Link, r)
		}
	}
}

func above(rate, capacity int64) bool { return capacity > 0 && rate > capacity+capacity/10 }

// links reads links one by one, all together, and none.
func (s *sensorSuite) links(t *testing.T) {
	for _, links := range [][]string{nil, s.Links[:1], s.Links, slices.Concat(s.Links[1:], s.Links[:1])} {
		readings, err := s.read(t, links...)
		if err != nil || len(readings) != len(links) {
			t.Fatalf("Read of %q: %d readings, %v", links, len(readings), err)
		}
		s.plausible(t, readings)
	}
}

// change changes what the source says and waits until the sensor says so.
func (s *sensorSuite) change(t *testing.T) {
	if s.Set == nil {
		t.Skip("the source cannot be told what to say")
	}
	s.set(t, 5000)
	want := s.wanted(5000)
	ctx, cancel := context.WithTimeout(t.Context(), s.Timeout)
	defer cancel()
	for {
		began := time.Now()
		got, err := s.sensor.Read(ctx, s.Settings, s.Links)
		if err != nil {
			t.Fatal(err)
		}
		if slices.EqualFunc(got, want, sameUse) {
			return
		}
		select {
		case <-time.After(time.Until(began.Add(time.Second))): // as an agent asks
		case <-ctx.Done():
			t.Fatalf("the sensor says %+v, the source %+v", got, want)
		}
	}
}

// sameUse allows the fifth that a mean over some time may be off.
func sameUse(got, want pluginapi.LinkReading) bool {
	near := func(a, b int64) bool { return 5*max(a-b, b-a) <= b }
	return got.Err == nil && got.Link == want.Link && near(got.Up, want.Up) && near(got.Down, want.Down) &&
		(got.UpCapacity == 0 || near(got.UpCapacity, want.UpCapacity)) && (got.DownCapacity == 0 || near(got.DownCapacity, want.DownCapacity))
}

func (s *sensorSuite) manyAtATime(t *testing.T) {
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			readings, err := s.read(t, s.Links...)
			if err != nil {
				t.Error(err)
			}
			s.plausible(t, readings)
		})
	}
	all.Wait()
}

// cancelled ends calls at several moments, after each of which the next one must
// succeed. A sensor that goes on is killed, which is an error.
func (s *sensorSuite) cancelled(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := s.sensor.Read(ctx, s.Settings, s.Links)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, pluginapi.ErrHangs) {
			t.Errorf("cancelled after %v: %v", after, err)
		}
		if _, err := s.read(t, s.Links...); err != nil {
			t.Errorf("the call after that: %v", err)
		}
	}
}

// killed kills the sensor's process: what it needs is not in its memory.
func (s *sensorSuite) killed(t *testing.T) {
	if err := syscall.Kill(processOf(t, s.Program), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), s.Timeout)
	defer cancel()
	for {
		readings, err := s.sensor.Read(ctx, s.Settings, s.Links)
		if err == nil && !slices.ContainsFunc(readings, func(r pluginapi.LinkReading) bool { return r.Err != nil }) {
			s.plausible(t, readings)
			return
		}
		if err != nil && !pluginhost.Retryable(err) {
			t.Fatal(err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%v after it was killed: %+v, %v", s.Timeout, readings, err)
		}
	}
}

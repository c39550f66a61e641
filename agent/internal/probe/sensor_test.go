package probe

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/unit"
)

// fakeSensor knows the link ams, and takes half a second to say so.
type fakeSensor struct {
	pluginapi.BandwidthSensor
	broken atomic.Pointer[pluginapi.Error]
	asked  atomic.Int64
}

func (s *fakeSensor) Read(ctx context.Context, settings map[string]string, links []string) ([]pluginapi.LinkReading, error) {
	s.asked.Add(1)
	if err := pause.For(ctx, 500*time.Millisecond); err != nil {
		return nil, err
	}
	if e := s.broken.Load(); e != nil {
		return nil, e
	}
	all := make([]pluginapi.LinkReading, len(links))
	for i, link := range links {
		all[i] = pluginapi.LinkReading{Link: link, Up: 1000, Down: 2000, UpCapacity: 5000, DownCapacity: 5000, Age: 100 * time.Millisecond}
		if link != "ams" || settings["file"] != "x" {
			all[i] = pluginapi.LinkReading{Link: link, Err: &pluginapi.Error{Code: pluginapi.CodeInvalid, Message: "no such link"}}
		}
	}
	return all, nil
}

func TestASensorIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &fakeSensor{}
		reports := make(chan Report, 100)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Watch(ctx, SensorConfig{
				Name: "flow", Sensor: s, Settings: map[string]string{"file": "x"}, Links: []bandwidth.MeterConfig{{Link: "ams", Up: 4000}, {Link: "ber"}},
				Time: func(at time.Time) unit.Time { return unit.Time(at.Sub(began)) }, Report: func(r Report) { reports <- r },
			})
		}()
		time.Sleep(9900 * time.Millisecond)
		if n := s.asked.Load(); n != 10 {
			t.Errorf("asked %d times in 10 s", n)
		}
		for i := range 20 {
			r := <-reports
			at := unit.Time(time.Duration(i/2)*time.Second - 100*time.Millisecond)
			good := r.Link == "ams" && r.Known && r.Err == nil && r.Use == bandwidth.Use{Up: 1000, Down: 2000, UpCapacity: 4000, DownCapacity: 5000, Over: time.Second, At: at}
			bad := r.Link == "ber" && !r.Known && r.Err != nil && r.Err.Fault == bandwidth.FaultVanished && (len(r.News) > 0) == (i == 1) &&
				r.Err.Error() == "link of ber: sensor flow: no such link"
			if good == bad {
				t.Errorf("report %d: %+v", i, r)
			}
		}
		s.broken.Store(&pluginapi.Error{Code: pluginapi.CodeRefused, Message: "who are you"})
		if r := <-reports; r.Err == nil || r.Err.Fault != bandwidth.FaultRefused || !strings.Contains(r.News[0].String(), "link of ams: sensor flow: who are you") || r.Use.Up != 1000 {
			t.Errorf("%+v", r)
		}
		cancel()
		<-ended
	})
}

// What a sensor says that cannot be is absurd, and it goes on being asked.
func TestASensorThatSaysWhatCannotBe(t *testing.T) {
	var reports []Report
	w := watch{SensorConfig: SensorConfig{Name: "flow", Links: []bandwidth.MeterConfig{{Link: "ams"}}, Report: func(r Report) { reports = append(reports, r) },
		Time: func(at time.Time) unit.Time { return unit.Time(at.UnixNano()) }}, meters: []*bandwidth.Meter{bandwidth.NewMeter(bandwidth.MeterConfig{Link: "ams", Up: 10, Down: 10})}}
	wrong := &pluginapi.Error{Code: pluginapi.CodeInternal, Message: "a negative reading"}
	w.take(0, pluginapi.LinkReading{Link: "ams", Err: wrong}, time.Unix(1, 0))
	w.take(0, pluginapi.LinkReading{Link: "ams", Up: 5}, time.Unix(2, 0))
	w.fail(0, faultOf(wrong), wrong)
	for i, want := range []bandwidth.Fault{bandwidth.FaultAbsurd, "", bandwidth.FaultSilent} {
		r := reports[i]
		if want == "" && (r.Err != nil || len(r.Faults) > 0) || want != "" && (r.Err == nil || r.Err.Fault != want || len(r.Faults) != 1) {
			t.Errorf("report %d: %+v, want %s", i, r, want)
		}
	}
}

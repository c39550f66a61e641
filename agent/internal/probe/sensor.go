package probe

import (
	"context"
	"errors"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/unit"
)

// SensorConfig says what Watch asks a sensor.
type SensorConfig struct {
	Name     string // of the sensor
	Sensor   pluginapi.BandwidthSensor
	Settings map[string]string
	Links    []bandwidth.MeterConfig
	Interval time.Duration // MinInterval at least
	Timeout  time.Duration // of a call; DefaultTimeout if 0
	// Time and Report are those of Config.
	Time   func(time.Time) unit.Time
	Report func(Report)
}

// Watch asks a sensor for the use of links, and reports as a Poller does, until
// ctx ends.
func Watch(ctx context.Context, c SensorConfig) {
	c.Interval = max(c.Interval, MinInterval)
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	w := watch{SensorConfig: c}
	for _, l := range c.Links {
		w.names = append(w.names, string(l.Link))
		w.meters = append(w.meters, bandwidth.NewMeter(l))
	}
	for ctx.Err() == nil {
		began := time.Now()
		w.ask(ctx)
		if pause.For(ctx, time.Until(began.Add(c.Interval))) != nil {
			return
		}
	}
}

// watch is what Watch knows.
type watch struct {
	SensorConfig
	names  []string           // of the links
	meters []*bandwidth.Meter // in the same order
}

func (w *watch) ask(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	began := time.Now()
	readings, err := w.Sensor.Read(limited, w.Settings, w.names)
	if ctx.Err() != nil {
		return
	}
	if err == nil && len(readings) != len(w.names) {
		err = errors.New("it does not say one thing of each link")
	}
	for i := range w.meters {
		if err != nil {
			w.fail(i, faultOf(err), err)
		} else {
			w.take(i, readings[i], began)
		}
	}
}

// take takes a reading that was asked for at a time: the answer may be as old.
func (w *watch) take(i int, r pluginapi.LinkReading, asked time.Time) {
	if r.Err != nil {
		fault := faultOf(r.Err)
		if r.Err.Code == pluginapi.CodeInternal { // it answers, and says what cannot be
			fault = bandwidth.FaultAbsurd
		}
		w.fail(i, fault, r.Err)
		return
	}
	w.report(i, nil, w.meters[i].Take(bandwidth.Given{
		Up: unit.Rate(r.Up), Down: unit.Rate(r.Down), UpCapacity: unit.Rate(r.UpCapacity), DownCapacity: unit.Rate(r.DownCapacity),
		At: w.Time(asked.Add(-r.Age)),
	}))
}

// faultOf is what an error of the sensor or of its process says of its links.
func faultOf(err error) bandwidth.Fault {
	if own := (*pluginapi.Error)(nil); errors.As(err, &own) {
		switch own.Code {
		case pluginapi.CodeInvalid:
			return bandwidth.FaultVanished
		case pluginapi.CodeRefused:
			return bandwidth.FaultRefused
		}
	}
	return bandwidth.FaultSilent
}

func (w *watch) fail(i int, fault bandwidth.Fault, err error) {
	e := &Error{Link: w.Links[i].Link, Source: "sensor " + w.Name, Fault: fault, Message: err.Error(), Err: err}
	w.report(i, e, w.meters[i].Fail(e.Fault, e.text()))
}

func (w *watch) report(i int, err *Error, news []bandwidth.Warning) {
	use, known := useOf(w.meters[i], w.Links[i])
	w.Report(Report{Link: w.Links[i].Link, Use: use, Known: known, Err: err, News: news, Faults: w.meters[i].Faults()})
}

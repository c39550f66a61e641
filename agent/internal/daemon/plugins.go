package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

// plugins opens the host of drivers and sensors when one is asked for, and tries again
// at the next if it cannot be opened.
type plugins struct {
	open func() (*pluginhost.Host, error)

	mu   sync.Mutex
	host *pluginhost.Host // guarded by mu
}

// Database returns a driver. An error of the host is one that a person has to
// correct.
func (p *plugins) Database(ctx context.Context, name string) (pluginapi.DatabaseDriver, error) {
	host, err := p.opened(pluginhost.KindDriver, name)
	if err != nil {
		return nil, err
	}
	return host.Database(ctx, name)
}

// opened is the host, for a driver or sensor.
func (p *plugins) opened(k pluginhost.Kind, name string) (*pluginhost.Host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host == nil {
		host, err := p.open()
		if err != nil {
			return nil, &pluginhost.Error{Kind: k, Driver: name, Reason: pluginhost.ReasonCatalog, Message: err.Error(),
				Fix: "make room for small files in the directory of api.socket, or in /tmp"}
		}
		p.host = host
	}
	return p.host, nil
}

// sensor is a bandwidth sensor that is started when it is asked, and again after a
// pause if it crashed.
type sensor struct {
	plugins *plugins
	name    string
}

var _ pluginapi.BandwidthSensor = sensor{}

func (s sensor) start(ctx context.Context) (pluginapi.BandwidthSensor, error) {
	host, err := s.plugins.opened(pluginhost.KindSensor, s.name)
	if err != nil {
		return nil, err
	}
	return host.Sensor(ctx, s.name)
}

// Describe implements pluginapi.BandwidthSensor, as does the method below.
func (s sensor) Describe(ctx context.Context) (pluginapi.SensorDescription, error) {
	running, err := s.start(ctx)
	if err != nil {
		return pluginapi.SensorDescription{}, err
	}
	return running.Describe(ctx)
}

func (s sensor) Read(ctx context.Context, settings map[string]string, links []string) ([]pluginapi.LinkReading, error) {
	running, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	return running.Read(ctx, settings, links)
}

// Close ends drivers and sensors. It is called when nobody asks for one any more.
func (p *plugins) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != nil {
		p.host.Close()
	}
}

// openPlugins prepares what starts drivers and sensors.
func (d *daemon) openPlugins(context.Context) error {
	d.plugins = &plugins{open: func() (*pluginhost.Host, error) { return newHost(d.cfg, d.log) }}
	d.onClose(d.plugins.Close)
	return nil
}

// newHost returns a host for drivers and sensors. Their sockets lie beside the agent's own, or
// where a short path is free.
func newHost(c config.Config, log *slog.Logger) (*pluginhost.Host, error) {
	var errs []error
	for _, dir := range []string{filepath.Dir(c.API.Socket), os.TempDir(), "/tmp"} {
		host, err := pluginhost.New(pluginhost.Config{Catalog: c.Drivers, RunDir: dir, Logger: log})
		if err == nil {
			return host, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// CheckPlugins starts the drivers that the databases name and the sensors that the
// devices do, and asks what they are and which settings they know. No database is
// touched, and no link measured. The error joins one *api.Error for each finding.
func CheckPlugins(ctx context.Context, c config.Config, log *slog.Logger) error {
	if len(c.Databases)+len(c.Sensors()) == 0 {
		return nil
	}
	if err := c.CheckDrivers(); err != nil {
		return err
	}
	host, err := newHost(c, log)
	if err != nil {
		return err
	}
	defer host.Close()
	check := pluginCheck{host: host, described: map[string]description{}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Databases)) {
		db := c.Databases[name]
		errs = append(errs, check.settings(ctx, "databases."+name, pluginhost.KindDriver, db.Driver, db.Settings))
	}
	for _, name := range c.Sensors() {
		device := c.Devices[name]
		errs = append(errs, check.settings(ctx, "devices."+name, pluginhost.KindSensor, device.Sensor, device.Settings))
	}
	return errors.Join(errs...)
}

// pluginCheck asks each driver and sensor once what it is.
type pluginCheck struct {
	host      *pluginhost.Host
	described map[string]description
}

// description is what a driver or sensor says of itself.
type description struct {
	name     string
	settings []pluginapi.Setting
}

// settings compares what a part of the configuration has with what its plugin knows.
func (c pluginCheck) settings(ctx context.Context, subject string, k pluginhost.Kind, plugin string, given map[string]string) error {
	key := string(k) + " " + plugin
	about, known := c.described[key]
	if !known {
		var err error
		if about, err = c.describe(ctx, k, plugin); err != nil {
			return pluginError(subject, k, err)
		}
		c.described[key] = about
	}
	return checkSettings(subject, k, given, about)
}

func (c pluginCheck) describe(ctx context.Context, k pluginhost.Kind, name string) (description, error) {
	if k == pluginhost.KindSensor {
		sensor, err := c.host.Sensor(ctx, name)
		if err != nil {
			return description{}, err
		}
		d, err := sensor.Describe(ctx)
		return description{d.Name, d.Settings}, err
	}
	driver, err := c.host.Database(ctx, name)
	if err != nil {
		return description{}, err
	}
	d, err := driver.Describe(ctx)
	return description{d.Name, d.Settings}, err
}

// pluginError is what a person is told of a driver or sensor that does not answer.
func pluginError(subject string, k pluginhost.Kind, err error) error {
	e := &api.Error{Code: api.CodeInvalid, Subject: subject, Message: err.Error()}
	if own, ok := errors.AsType[*pluginapi.Error](err); ok {
		e.Message, e.Fix = string(k)+": "+own.Message, own.Fix
	}
	e.Fix = cmp.Or(e.Fix, "look at the log of this check")
	return e
}

func checkSettings(subject string, k pluginhost.Kind, given map[string]string, about description) error {
	known := map[string]bool{}
	var errs []error
	for _, s := range about.settings {
		known[s.Name] = true
		if s.Required && given[s.Name] == "" {
			errs = append(errs, &api.Error{Code: api.CodeInvalid, Subject: subject + ".settings." + s.Name,
				Message: fmt.Sprintf("not set, and %s %s needs it", k, about.name), Fix: "set it: " + s.Help})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !knows(known, name) {
			errs = append(errs, &api.Error{Code: api.CodeInvalid, Subject: subject + ".settings." + name,
				Message: fmt.Sprintf("%s %s has no such setting", k, about.name), Fix: fmt.Sprintf("remove it; there are: %s", names(known))})
		}
	}
	return errors.Join(errs...)
}

// knows reports whether one of a driver's settings is this one. A name such as
// config.<parameter> stands for all that begin with config.
func knows(known map[string]bool, setting string) bool {
	for name := range known {
		prefix, _, many := strings.Cut(name, "<")
		switch rest, ok := strings.CutPrefix(setting, prefix); {
		case !many && setting == name:
			return true
		case many && ok && rest != "" && setting != name:
			return true
		}
	}
	return false
}

func names(set map[string]bool) string {
	if len(set) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}

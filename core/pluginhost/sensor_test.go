package pluginhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// fakeSensor does what the setting "do" says.
type fakeSensor struct{ name string }

func (s fakeSensor) Describe(context.Context) (pluginapi.SensorDescription, error) {
	return pluginapi.SensorDescription{Name: s.name, Version: "3", Settings: []pluginapi.Setting{{Name: "do", Help: "what to do"}}}, nil
}

func (s fakeSensor) Read(ctx context.Context, settings map[string]string, links []string) ([]pluginapi.LinkReading, error) {
	switch settings["do"] {
	case "fail":
		return nil, &pluginapi.Error{Code: pluginapi.CodeUnreachable, Subject: "collector", Message: "no answer", Fix: "start it"}
	case "exit":
		os.Exit(4)
	case "wait":
		touch(settings["at"])
		<-ctx.Done()
		return nil, ctx.Err()
	case "hang":
		touch(settings["at"])
		select {}
	case "lies":
		return []pluginapi.LinkReading{
			{Link: "a", Up: -5}, {Link: "b", Up: 1}, {Link: "b", Up: 2}, {Link: "never asked", Up: 3}, {Link: "c", Age: -1},
			{Link: "d", Up: 7, Err: &pluginapi.Error{Code: pluginapi.CodeInvalid, Message: "no \xff such link"}},
		}, nil
	}
	var all []pluginapi.LinkReading
	for i, link := range slices.Backward(links) {
		all = append(all, pluginapi.LinkReading{
			Link: link, Up: int64(i), Down: 1 << 40, UpCapacity: 1 << 41, DownCapacity: 1 << 42, Age: 1500 * time.Millisecond,
		})
	}
	return all, nil
}

// sensorProgram makes a sensor's program of this test binary.
func sensorProgram(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), SensorPrefix+name)
	if err := os.Rename(program(t, name), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func sensor4(t *testing.T, h *Host, name string) pluginapi.BandwidthSensor {
	t.Helper()
	s, err := h.Sensor(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do4(what string) map[string]string { return map[string]string{"do": what} }

func TestASensorReads(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, sensorProgram(t, "fake"), program(t, "fake")) // a driver may have the same name
	s := sensor4(t, h, "fake")
	if d, err := s.Describe(t.Context()); err != nil || d.Name != "fake" || d.Version != "3" || len(d.Settings) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := database4(t, h, "fake").Describe(t.Context()); err != nil || d.Engine != "Fake" {
		t.Errorf("the driver: %+v, %v", d, err)
	}
	readings, err := s.Read(t.Context(), nil, []string{"ams", "ams/r1"})
	want := pluginapi.LinkReading{Link: "ams/r1", Up: 1, Down: 1 << 40, UpCapacity: 1 << 41, DownCapacity: 1 << 42, Age: 1500 * time.Millisecond}
	if err != nil || len(readings) != 2 || readings[0].Link != "ams" || readings[1] != want {
		t.Errorf("%+v, %v", readings, err)
	}
	if readings, err := s.Read(t.Context(), nil, nil); err != nil || len(readings) != 0 {
		t.Errorf("of no link: %+v, %v", readings, err)
	}
}

// There is one reading for each link, whatever the sensor says.
func TestWhatASensorCannotSayIsAnError(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{}, sensorProgram(t, "fake"))
	readings, err := sensor4(t, h, "fake").Read(t.Context(), do4("lies"), []string{"a", "b", "c", "d", "e"})
	if err != nil {
		t.Fatal(err)
	}
	for i, says := range []string{"a negative reading", "two things", "-1ns old", "no \uFFFD such link", "nothing of it"} {
		if r := readings[i]; r.Err == nil || !strings.Contains(r.Err.Message, says) || r.Up != 0 || r.Link != string(rune('a'+i)) {
			t.Errorf("reading %d: %+v, want %q", i, r, says)
		}
	}
	if len(readings) != 5 {
		t.Errorf("%d readings", len(readings))
	}
}

func TestErrorsOfASensor(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, Config{Grace: 50 * time.Millisecond}, sensorProgram(t, "fake"))
	s := sensor4(t, h, "fake")
	_, err := s.Read(t.Context(), do4("fail"), []string{"a"})
	if own := (*pluginapi.Error)(nil); !errors.As(err, &own) || own.Code != pluginapi.CodeUnreachable || own.Fix != "start it" || !Retryable(err) {
		t.Error(err)
	}
	_, err = s.Read(t.Context(), do4("exit"), []string{"a"})
	if own := (*Error)(nil); !errors.As(err, &own) || own.Reason != ReasonCrashed || own.Kind != KindSensor || !strings.HasPrefix(err.Error(), "sensor fake: ") {
		t.Error(err)
	}
	for do, reason := range map[string]Reason{"wait": "", "hang": ReasonHangs} {
		ctx, cancel := context.WithCancel(t.Context())
		settings := do4(do)
		settings["at"] = filepath.Join(t.TempDir(), "began")
		go func() {
			await(t, settings["at"])
			cancel()
		}()
		_, err = s.Read(ctx, settings, []string{"a"})
		own := (*Error)(nil)
		if !errors.Is(err, context.Canceled) || errors.As(err, &own) != (reason != "") || own != nil && own.Reason != reason {
			t.Errorf("%s: %v", do, err)
		}
	}
	if readings, err := s.Read(t.Context(), nil, []string{"a"}); err != nil || readings[0].Err != nil {
		t.Errorf("afterwards: %+v, %v", readings, err)
	}
}

func TestProgramsThatAreNoSensors(t *testing.T) {
	t.Parallel()
	driver := sensorProgram(t, "driver")
	h, _ := newHost(t, Config{}, driver, sensorProgram(t, "loud"))
	for name, want := range map[string]Error{
		"driver": {Reason: ReasonIncompatible, Message: driver + " is no sensor", Fix: "its main function has to call pluginapi.ServeBandwidthSensor"},
		"loud":   {Reason: ReasonIncompatible, Fix: "is it a sensor? Then its main function has to call pluginapi.ServeBandwidthSensor, and nothing may write to standard output before"},
		"absent": {Reason: ReasonCatalog},
	} {
		_, err := h.Sensor(t.Context(), name)
		own := (*Error)(nil)
		if !errors.As(err, &own) || own.Kind != KindSensor || own.Driver != name || own.Reason != want.Reason || !strings.Contains(own.Message, want.Message) || !strings.Contains(own.Fix, want.Fix) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Sensor(t.Context(), "absent"); !strings.Contains(err.Error(), "it has driver, loud") || !strings.Contains(err.Error(), SensorPrefix+"absent") {
		t.Error(err)
	}
	if _, err := h.Database(t.Context(), "loud"); err == nil || !strings.Contains(err.Error(), "it has no driver") {
		t.Error(err)
	}
}

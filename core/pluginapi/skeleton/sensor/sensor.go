package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// sensor reads files. It keeps nothing between calls.
type sensor struct{}

var _ pluginapi.BandwidthSensor = sensor{}

// Describe implements pluginapi.BandwidthSensor, as does the method below; the
// interface's comments say what each has to keep to.
func (sensor) Describe(context.Context) (pluginapi.SensorDescription, error) {
	return pluginapi.SensorDescription{
		Name: "skeleton", Version: "1.0.0",
		Settings: []pluginapi.Setting{{
			Name: "file", Required: true,
			Help: "lines LINK UP DOWN CAPACITY, in bytes per second; replaced by a rename at each measurement",
		}},
	}, nil
}

func (sensor) Read(_ context.Context, settings map[string]string, links []string) ([]pluginapi.LinkReading, error) {
	path, err := check(settings)
	if err != nil {
		return nil, err
	}
	known, err := readFile(path)
	if err != nil {
		return nil, err
	}
	readings := make([]pluginapi.LinkReading, len(links))
	for i, link := range links {
		reading, ok := known[link]
		if !ok {
			reading = pluginapi.LinkReading{Link: link, Err: &pluginapi.Error{
				Code: pluginapi.CodeInvalid, Subject: path, Message: "there is no line for " + link, Fix: "add one",
			}}
		}
		readings[i] = reading
	}
	return readings, nil
}

// check returns the setting file, and refuses settings that Describe does not
// name.
func check(settings map[string]string) (string, error) {
	for name := range settings {
		if name != "file" {
			return "", &pluginapi.Error{
				Code: pluginapi.CodeInvalid, Message: fmt.Sprintf("there is no setting %q", name), Fix: "the sensor skeleton has the setting file",
			}
		}
	}
	if settings["file"] == "" {
		return "", &pluginapi.Error{Code: pluginapi.CodeInvalid, Message: "the setting file is missing", Fix: "set it to the path of the measurements"}
	}
	return settings["file"], nil
}

// readFile returns the readings in the file, by link. They are as old as it is.
func readFile(path string) (map[string]pluginapi.LinkReading, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &pluginapi.Error{Code: pluginapi.CodeUnreachable, Subject: path, Message: "there are no measurements yet", Fix: "start what writes them"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, err
	}
	age := max(time.Since(info.ModTime()), 0)
	known := map[string]pluginapi.LinkReading{}
	for line := range strings.Lines(string(text)) {
		reading, err := parse(line)
		if err != nil {
			return nil, &pluginapi.Error{Code: pluginapi.CodeInvalid, Subject: path, Message: err.Error(), Fix: "write LINK UP DOWN CAPACITY"}
		}
		reading.Age = age
		known[reading.Link] = reading
	}
	return known, nil
}

// parse reads a line.
func parse(line string) (pluginapi.LinkReading, error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return pluginapi.LinkReading{}, fmt.Errorf("line %q has %d words instead of 4", line, len(fields))
	}
	var numbers [3]int64
	for i, f := range fields[1:] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n < 0 {
			return pluginapi.LinkReading{}, fmt.Errorf("line %q: %q is no number of bytes per second", line, f)
		}
		numbers[i] = n
	}
	return pluginapi.LinkReading{
		Link: fields[0], Up: numbers[0], Down: numbers[1], UpCapacity: numbers[2], DownCapacity: numbers[2],
	}, nil
}

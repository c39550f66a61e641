package config

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rackswarm/rackswarm/core/api"
)

const maxFile = 1 << 20

// Load reads the file, "" for none, then the variables of environ ("NAME=value"),
// and checks the outcome. The error joins one *api.Error for everything that is
// wrong; the configuration is returned all the same, as far as it was
// understood. If the file is not YAML that is the only error.
func Load(file string, environ []string) (Config, error) {
	var data []byte
	if file != "" {
		var err error
		if data, err = readFile(file); err != nil {
			return Default(), err
		}
	}
	if err := checkSyntax(file, data); err != nil {
		return Default(), err
	}
	c, failed, err := parse(file, data, environ)
	return c, errors.Join(err, c.validate(failed))
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &api.Error{Code: api.CodeNotFound, Subject: file, Message: "no such configuration file",
			Fix: "write one with: rackswarm agent --print-config > " + file}
	}
	if err != nil {
		return nil, &api.Error{Code: api.CodeIO, Subject: file, Message: "cannot be read: " + err.Error(), Fix: "run as root, or make it readable"}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", file, err)
	}
	if len(data) > maxFile {
		return nil, problem(file, "", "check that this is the configuration", "larger than %d bytes", maxFile)
	}
	return data, nil
}

// parse applies the file's content and the variables to the defaults. It returns
// the keys of settings whose value could not be taken.
func parse(file string, data []byte, environ []string) (Config, map[string]bool, error) {
	c := Default()
	c.origin = map[string]string{}
	assigns, errs := parseYAML(file, data)
	more, notes, envErrs := parseEnv(environ)
	errs = append(errs, envErrs...)
	c.Notes = notes

	failed := map[string]bool{}
	for _, a := range append(assigns, more...) {
		c.origin[a.setting.key] = a.where
		if err := a.setting.set(&c, a.value); err != nil {
			failed[a.setting.key] = true
			message, fix := advise(err, a.setting.fix)
			errs = append(errs, problem(a.where, a.setting.key, fix, "%s", message))
		}
	}
	return c, failed, errors.Join(errs...)
}

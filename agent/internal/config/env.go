package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const variablePrefix = "RACKSWARM_"

// parseEnv returns the settings among environment variables of the form
// NAME=value, in the order of the settings, and what is wrong with them. Notes
// name variables that look like a setting but are none: they are not errors, as
// other programs may have put them there.
func parseEnv(environ []string) (assigns []assign, notes []string, errs []error) {
	given := map[string]string{}
	for _, e := range environ {
		name, value, ok := strings.Cut(e, "=")
		if ok && strings.HasPrefix(name, variablePrefix) {
			given[name] = value
		}
	}
	for _, s := range settings {
		text, ok := given[s.variable()]
		if !ok {
			continue
		}
		delete(given, s.variable())
		v, err := parseVariable(s, text)
		if err != nil {
			errs = append(errs, problem(s.variable(), s.key, envForm(s), "%v", err))
			continue
		}
		assigns = append(assigns, assign{s, s.variable(), v})
	}
	return assigns, strays(given), errs
}

// strays are notes on variables that begin like a section's but name no setting.
func strays(given map[string]string) []string {
	var notes []string
	for name := range given {
		section, _, ok := strings.Cut(strings.ToLower(strings.TrimPrefix(name, variablePrefix)), "_")
		if ok && isSection(section) {
			notes = append(notes, name+" names no setting and is not used; rackswarm agent --print-config shows all variables")
		}
	}
	slices.Sort(notes)
	return notes
}

func parseVariable(s setting, text string) (raw, error) {
	switch s.kind {
	case kindBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return raw{}, fmt.Errorf("must be true or false")
		}
		return raw{flag: b}, nil
	case kindList:
		return raw{list: split(text)}, nil
	case kindLabels:
		v := raw{labels: map[string]string{}}
		for _, pair := range split(text) {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || key == "" {
				return raw{}, fmt.Errorf("must be key=value pairs")
			}
			v.labels[key] = value
		}
		return v, nil
	case kindHooks, kindDatabases, kindLinks, kindDevices:
		return parseMapping(s, text)
	}
	return raw{text: text}, nil
}

// split cuts at commas; an empty text has no parts.
func split(text string) []string {
	parts := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func envForm(s setting) string {
	switch s.kind {
	case kindBool:
		return "write true or false"
	case kindLabels:
		return "write for example role=web,tier=front"
	}
	return writeForm(s)
}

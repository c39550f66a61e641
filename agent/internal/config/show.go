package config

import (
	_ "embed"
)

// Example is a commented configuration file with every setting.
//
//go:embed example.yaml
var Example string

// Effective is a setting as it is in force.
type Effective struct {
	Key      string `json:"key"`
	Value    string `json:"value"` // secrets are replaced
	From     string `json:"from"`  // "file:line:column", a variable, or "default"
	Variable string `json:"variable"`
}

// Settings are all settings as they are in force, without secrets.
func (c *Config) Settings() []Effective {
	all := make([]Effective, len(settings))
	for i, s := range settings {
		from := c.origin[s.key]
		if from == "" {
			from = "default"
		}
		all[i] = Effective{s.key, s.show(c), from, s.variable()}
	}
	return all
}

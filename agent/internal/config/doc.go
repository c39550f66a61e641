// Package config reads an agent's configuration: a YAML file, overridden by
// environment variables, on top of defaults. Everything that is wrong is
// reported at once, each with the file, line and column or the variable it came
// from, the setting, and what to write instead.
//
// All settings stand in one table (settings.go), from which the file's keys, the
// variables' names and the printed form follow.
package config

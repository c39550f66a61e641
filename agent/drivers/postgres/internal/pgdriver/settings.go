package pgdriver

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/conninfo"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

var settingsHelp = []pluginapi.Setting{
	{Name: "bin", Help: "directory of PostgreSQL's programs; /usr/lib/postgresql/<major version of the data>/bin if left out"},
	{Name: "primary", Help: "how replicas reach their primary, as keywords and values: host, port, user, passfile, sslmode and the like; never a password"},
	{Name: "connection", Help: "how the driver reaches this instance, as keywords and values; the socket and port of postmaster.pid if left out"},
	{Name: "user", Help: "to whom the data belong where there are none yet; postgres if left out"},
	{Name: "log", Help: "file that the server's log is written to; <data directory>.log if left out"},
	{Name: "config_file", Help: "the server's postgresql.conf, if it is not in the data directory"},
	{Name: "config.<parameter>", Help: "parameter of the server that restored data get in postgresql.auto.conf, such as config.port"},
}

// settings are those of an instance, checked.
type settings struct {
	bin        string
	primary    conninfo.Conninfo // no keys if not given
	connection conninfo.Conninfo
	user       string
	log        string
	configFile string
	config     map[string]string // parameters of the server
}

// keys of connection strings that instances may have. Passwords would stand in
// configurations and argument lists; what else is missing here the driver sets.
var (
	primaryKeys = []string{"host", "hostaddr", "port", "user", "passfile", "connect_timeout",
		"sslmode", "sslcompression", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "sslnegotiation",
		"requirepeer", "require_auth", "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding",
		"gssencmode", "krbsrvname", "gsslib", "gssdelegation", "keepalives", "keepalives_idle", "keepalives_interval",
		"keepalives_count", "tcp_user_timeout", "target_session_attrs", "load_balance_hosts"}
	localKeys = append([]string{"dbname"}, primaryKeys...)
)

var parameter = regexp.MustCompile(`^[a-z_][a-z0-9_.]*$`)

// ours are the parameters that Configure sets itself.
var ours = []string{"primary_conninfo", "primary_slot_name", "data_directory", "config_file"}

// readSettings checks the settings of t.
func readSettings(t pluginapi.Target) (settings, error) {
	s := settings{user: "postgres", log: t.DataDir + ".log", config: map[string]string{}}
	if err := checkPath("data", t.DataDir); err != nil {
		return s, err
	}
	for _, name := range slices.Sorted(maps.Keys(t.Settings)) {
		if err := s.set(name, t.Settings[name]); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *settings) set(name, value string) (err error) {
	switch name {
	case "bin":
		s.bin = value
		return checkPath(name, value)
	case "log":
		s.log = value
		return checkPath(name, value)
	case "config_file":
		s.configFile = value
		return checkPath(name, value)
	case "user":
		s.user = value
		return nil
	case "primary":
		s.primary, err = readConninfo(name, value, primaryKeys)
		if err == nil && s.primary.Get("host") == "" && s.primary.Get("hostaddr") == "" {
			err = invalid(name, "it names no host", `write for example "host=db1 port=5432 user=replicator passfile=/etc/rackswarm/pgpass"`)
		}
		return err
	case "connection":
		s.connection, err = readConninfo(name, value, localKeys)
		return err
	}
	key, ok := strings.CutPrefix(name, "config.")
	switch {
	case !ok:
		return invalid(name, "there is no such setting", "settings are bin, primary, connection, user, log, config_file and config.<parameter>")
	case !parameter.MatchString(key) || slices.Contains(ours, key):
		return invalid(name, "this parameter cannot be set here", "set primary_conninfo by the setting primary, and leave out what only places files")
	case !pgfiles.Valid(value):
		return invalid(name, "the value has more than one line", "")
	}
	s.config[key] = value
	return nil
}

func invalid(name, message, fix string) error {
	return fault(pluginapi.CodeInvalid, "setting "+name, fix, "%s", message)
}

// checkPath refuses what pg_ctl would hand to a shell wrongly, too.
func checkPath(name, path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsAny(path, "\"'`$\\\n") {
		return invalid(name, fmt.Sprintf("%q is no plain absolute path", path), "write a path from /, without quotes, $ or backslashes")
	}
	return nil
}

func readConninfo(name, value string, allowed []string) (conninfo.Conninfo, error) {
	c, err := conninfo.Parse(value)
	if err != nil {
		return c, invalid(name, err.Error(), "")
	}
	for _, key := range c.Keys() {
		switch {
		case key == "password" || key == "sslpassword":
			return c, invalid(name, "it holds a password", "put it into a file of the form of ~/.pgpass and name that with passfile=")
		case !slices.Contains(allowed, key):
			return c, invalid(name, fmt.Sprintf("%q cannot be given here", key), "leave it out; possible are "+strings.Join(allowed, ", "))
		case !pgfiles.Valid(c.Get(key)):
			return c, invalid(name, fmt.Sprintf("%s has more than one line", key), "")
		}
	}
	return c, nil
}

// checkPassfile reports what would have libpq pass over the passfile of c without
// a word, or nearly so, when u uses it.
func checkPassfile(c conninfo.Conninfo, u *command.User) error {
	path := c.Get("passfile")
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case !filepath.IsAbs(path):
		return fault(pluginapi.CodeInvalid, "passfile "+path, "write the path from /", "it is not absolute")
	case err != nil:
		return fault(pluginapi.CodeInvalid, "passfile "+path, "create it, for user "+u.String()+" alone", "%v", err)
	case !info.Mode().IsRegular():
		return fault(pluginapi.CodeInvalid, "passfile "+path, "", "it is no plain file")
	case info.Mode().Perm()&0o077 != 0:
		return fault(pluginapi.CodeInvalid, "passfile "+path, "chmod 0600 "+path, "its mode is %04o: PostgreSQL ignores what others may read", info.Mode().Perm())
	case info.Sys().(*syscall.Stat_t).Uid != u.UID:
		return fault(pluginapi.CodeInvalid, "passfile "+path, "chown "+u.String()+" "+path, "it does not belong to %s, who runs the database", u)
	}
	return nil
}

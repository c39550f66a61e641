package pgdriver

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/conninfo"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// errStarting says that the server runs and takes no connections yet, or no more.
var errStarting = errors.New("the server takes no connections now")

// sqlError is an error that the server answered with.
type sqlError struct {
	state   string // SQLSTATE
	message string
}

// Error has the message, which is the server's.
func (e *sqlError) Error() string { return e.message }

// States that are looked at (PostgreSQL documentation, appendix A).
const (
	stateUndefined = "42704" // undefined_object
	stateDuplicate = "42710" // duplicate_object
	stateInUse     = "55006" // object_in_use
)

// stateOf is the SQLSTATE of err, "" if it has none.
func stateOf(err error) string {
	var e *sqlError
	if errors.As(err, &e) {
		return e.state
	}
	return ""
}

// local is the connection string of the running instance.
func (in *instance) local() (conninfo.Conninfo, error) {
	file, err := in.pidFile()
	base := conninfo.Conninfo{}.With("dbname", "postgres")
	switch {
	case err == nil && file.SocketDir != "":
		base = base.With("host", file.SocketDir)
	case err == nil && file.Listen != "":
		base = base.With("host", strings.Replace(file.Listen, "*", "localhost", 1))
	case in.connection.Get("host") == "":
		return base, errStarting
	}
	if file.Port != 0 {
		base = base.With("port", strconv.Itoa(file.Port))
	}
	c := base.Over(in.connection)
	return c, checkPassfile(c, in.owner)
}

// query asks the running instance and returns the fields of the only row.
func (in *instance) query(ctx context.Context, sql string) ([]string, error) {
	c, err := in.local()
	if err != nil {
		return nil, err
	}
	return in.psql(ctx, c, in.DataDir, sql)
}

// replicate gives the primary a command of the streaming replication protocol. It
// needs no more than the right to replicate, and an entry "replication" in the
// primary's pg_hba.conf.
func (in *instance) replicate(ctx context.Context, command string) ([]string, error) {
	if len(in.primary.Keys()) == 0 {
		return nil, invalid("primary", "it is missing, and replicas need it", `write for example "host=db1 port=5432 user=replicator passfile=/etc/rackswarm/pgpass"`)
	}
	if err := checkPassfile(in.primary, in.owner); err != nil {
		return nil, err
	}
	return in.psql(ctx, in.primary.With("replication", "1"), "primary "+in.primaryName(), command)
}

func (in *instance) primaryName() string {
	host := in.primary.Get("host")
	if host == "" {
		host = in.primary.Get("hostaddr")
	}
	if port := in.primary.Get("port"); port != "" {
		host += ":" + port
	}
	return host
}

// psql runs one command. subject is what errors are about.
func (in *instance) psql(ctx context.Context, c conninfo.Conninfo, subject, sql string) ([]string, error) {
	out, err := in.run(ctx, command.Command{Argv: []string{"psql", "-XAtqw", "-F", "\t", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=1", "-d", c.String(), "-c", sql}})
	if err != nil {
		return nil, classify(err, subject)
	}
	line, _, _ := strings.Cut(out, "\n")
	return strings.Split(line, "\t"), nil
}

var sqlstate = regexp.MustCompile(`(?m)^(?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5}): (.*)$`)

// known are what programs of PostgreSQL say, what that means, and what to do. The
// first that fits counts.
var known = []struct{ text, code, fix string }{
	{"No space left on device", pluginapi.CodeNoSpace, "make room on the filesystem"},
	{"no pg_hba.conf entry", pluginapi.CodeRefused, "add an entry for this host, user and database (\"replication\" for replicas) to pg_hba.conf there and reload it"},
	{"authentication failed", pluginapi.CodeRefused, "check user, passfile and pg_hba.conf"},
	{"no password supplied", pluginapi.CodeRefused, "add a line for this host, port, database (\"replication\" for replicas) and user to the passfile"},
	{"permission denied to start WAL sender", pluginapi.CodeRefused, "ALTER ROLE … REPLICATION on the primary"},
	{"must be superuser or replication role", pluginapi.CodeRefused, "ALTER ROLE … REPLICATION"},
	{"does not have the REPLICATION attribute", pluginapi.CodeRefused, "ALTER ROLE … REPLICATION"},
	{"permission denied", pluginapi.CodeRefused, "give the role of the connection the rights of pg_monitor and REPLICATION, or let the instance's owner connect"},
	{"is not permitted to log in", pluginapi.CodeRefused, "ALTER ROLE … LOGIN"},
	{"max_wal_senders", pluginapi.CodeState, "raise max_wal_senders (a capture needs two) and restart the server"},
	{"all replication slots are in use", pluginapi.CodeState, "raise max_replication_slots, or drop slots that nobody needs"},
	{"replication slots can only be used if", pluginapi.CodeState, "set wal_level=replica and max_replication_slots, and restart the server"},
	{"WAL level not sufficient", pluginapi.CodeState, "set wal_level=replica and restart the server"},
	{"could not connect", pluginapi.CodeUnreachable, "check that it runs, and host and port"},
	{"could not translate host name", pluginapi.CodeUnreachable, "check the host's name"},
	{"connection to server", pluginapi.CodeUnreachable, "check that it runs, and host and port"},
	{"server closed the connection", pluginapi.CodeUnreachable, "see the server's log"},
	{"terminating connection", pluginapi.CodeUnreachable, "see the server's log"},
	{"Permission denied", pluginapi.CodeRefused, "let the owner of the data pass the directories above"},
}

// classify turns what a program of PostgreSQL ended with into an error of the
// interface, errStarting, or *sqlError for what the server answers to a command.
func classify(err error, subject string) error {
	var f *command.Failure
	if !errors.As(err, &f) {
		return err
	}
	for _, text := range []string{"the database system is starting up", "the database system is not yet accepting connections",
		"the database system is not accepting connections", "the database system is shutting down", "the database system is in recovery mode"} {
		if strings.Contains(f.Stderr, text) {
			return fmt.Errorf("%s: %w", subject, errStarting)
		}
	}
	said := command.OneLine(f.Stderr)
	if m := sqlstate.FindStringSubmatch(f.Stderr); m != nil {
		said = m[2]
		if m[1] == stateUndefined || m[1] == stateDuplicate || m[1] == stateInUse {
			return &sqlError{state: m[1], message: said}
		}
	}
	for _, k := range known {
		if strings.Contains(f.Stderr, k.text) {
			return fault(k.code, subject, k.fix, "%s", said)
		}
	}
	return fault(pluginapi.CodeInternal, subject, "", "%s: %s", f.Program, said)
}

// identity is what a server says of itself on a replication connection.
type identity struct {
	system   string
	timeline int
	at       pgfiles.LSN
}

// identify asks the primary who it is and where its log ends.
func (in *instance) identify(ctx context.Context) (identity, error) {
	row, err := in.replicate(ctx, "IDENTIFY_SYSTEM")
	if err != nil {
		return identity{}, err
	}
	if len(row) < 3 {
		return identity{}, fault(pluginapi.CodeInternal, "primary "+in.primaryName(), "", "unknown answer %q to IDENTIFY_SYSTEM", row)
	}
	timeline, err := strconv.Atoi(row[1])
	if err != nil {
		return identity{}, fault(pluginapi.CodeInternal, "primary "+in.primaryName(), "", "timeline %q", row[1])
	}
	at, err := pgfiles.ParseLSN(row[2])
	if err != nil {
		return identity{}, fault(pluginapi.CodeInternal, "primary "+in.primaryName(), "", "%v", err)
	}
	return identity{system: row[0], timeline: timeline, at: at}, nil
}

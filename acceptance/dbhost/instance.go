package dbhost

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/hosts"
)

// Where things are on every host.
const (
	Bin      = "/usr/lib/postgresql/15/bin"
	Data     = "/srv/pg/main/data" // its parent is root's, as for packages
	PassFile = "/etc/rackswarm/pgpass"
	Drivers  = "/etc/rackswarm/drivers.sha256" // the catalogue
	Database = "main"                          // what agents call the instance
	port     = "5432"
	role     = "replicator"
	password = "of-the-replicas"
)

// Options of an instance. The zero value is what an operator would have.
type Options struct {
	// Config are lines for postgresql.conf of a primary, and so of its replicas.
	Config []string
	// InitDB are further arguments of initdb.
	InitDB []string
}

// Quick are options for tests: a small database that syncs nothing and keeps
// little log.
func Quick() Options {
	return Options{
		Config: []string{"fsync=off", "shared_buffers=8MB", "min_wal_size=2MB", "max_wal_size=8MB", "wal_retrieve_retry_interval=200ms"},
		InitDB: []string{"--no-sync", "--wal-segsize=1"},
	}
}

// Instance is PostgreSQL on a host. Its methods may be called from any goroutine.
type Instance struct {
	*hosts.Host
	options Options
}

// On is the instance of a host, on which nothing is done yet.
func On(h *hosts.Host, o Options) *Instance { return &Instance{h, o} }

// Unsupported says why there can be no instances on this machine, nil if there
// can.
func Unsupported() error {
	if err := hosts.Unsupported(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(Bin, "postgres")); err != nil {
		return fmt.Errorf("PostgreSQL 15 is missing: install postgresql-15: %w", err)
	}
	if _, err := user.Lookup("postgres"); err != nil {
		return fmt.Errorf("install postgresql-15: %w", err)
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		return fmt.Errorf("install util-linux: %w", err)
	}
	return nil
}

// Prepare makes the directories, the passfile of the replicator, and a catalogue
// of drivers. Their programs, such as rackswarm-driver-postgres, have to be among
// the set's Programs.
func (i *Instance) Prepare(ctx context.Context, drivers ...string) error {
	_, err := i.Run(ctx, fmt.Sprintf(`
mkdir -p %s /run/postgresql
chown postgres:postgres /run/postgresql
echo '*:*:*:%s:%s' >%s
chown postgres:postgres %[4]s
chmod 0600 %[4]s`, filepath.Dir(Data), role, password, PassFile))
	if err != nil {
		return err
	}
	return i.Catalogue(ctx, drivers...)
}

// Catalogue writes the catalogue of drivers anew, as sha256sum does.
func (i *Instance) Catalogue(ctx context.Context, drivers ...string) error {
	files := ""
	for _, d := range drivers {
		files += " /usr/local/bin/rackswarm-driver-" + d
	}
	_, err := i.Run(ctx, "sha256sum --"+files+" >"+Drivers)
	return err
}

// Settings are an agent's for an instance that follows, or would follow, the
// primary on the host named.
func (i *Instance) Settings(primary string) map[string]any {
	return map[string]any{
		"driver": "postgres",
		"data":   Data,
		"settings": map[string]any{
			"bin":     Bin,
			"primary": fmt.Sprintf("host=%s port=%s user=%s passfile=%s", primary, port, role, PassFile),
		},
	}
}

// Agent is what hosts.Agents.Settings needs for the host.
func (i *Instance) Agent(primary string) map[string]any {
	return map[string]any{"databases": map[string]any{Database: i.Settings(primary)}}
}

// As runs a shell script as user postgres, with PostgreSQL's programs on PATH, and
// returns what it printed without the last newline.
func (i *Instance) As(ctx context.Context, script string) (string, error) {
	out, err := i.Run(ctx, fmt.Sprintf("cd /; exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/ PATH=%s:$PATH bash -euo pipefail -c %s", Bin, quote(script)))
	return strings.TrimSuffix(out, "\n"), err
}

// quote quotes text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// SQL gives the instance statements, each in a transaction of its own, and returns
// the rows, columns parted by '|'.
func (i *Instance) SQL(ctx context.Context, statements ...string) (string, error) {
	script := "psql -XAtq -v ON_ERROR_STOP=1 -d postgres"
	for _, s := range statements {
		script += " -c " + quote(s)
	}
	return i.As(ctx, script)
}

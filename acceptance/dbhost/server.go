package dbhost

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// InitPrimary makes a database whose replicas may connect from the other hosts,
// and starts it.
func (i *Instance) InitPrimary(ctx context.Context) error {
	conf := strings.Join(append([]string{"listen_addresses='*'"}, i.options.Config...), "\n")
	if err := i.makeData(ctx); err != nil {
		return err
	}
	_, err := i.As(ctx, fmt.Sprintf(`
initdb -D %[1]s -E UTF8 --auth-local=peer --auth-host=scram-sha-256 %[2]s >/dev/null
printf '%%s\n' %[3]s >>%[1]s/postgresql.conf
echo 'host replication %[4]s samenet scram-sha-256' >>%[1]s/pg_hba.conf`, Data, strings.Join(i.options.InitDB, " "), quote(conf), role))
	if err != nil {
		return err
	}
	if err := i.StartServer(ctx); err != nil {
		return err
	}
	_, err = i.SQL(ctx, fmt.Sprintf("CREATE ROLE %s REPLICATION LOGIN PASSWORD '%s'", role, password))
	return err
}

// InitReplica makes a replica of the primary on another host, as a person would,
// and starts it.
func (i *Instance) InitReplica(ctx context.Context, primary string) error {
	if err := i.makeData(ctx); err != nil {
		return err
	}
	_, err := i.As(ctx, fmt.Sprintf("pg_basebackup -D %s -R -c fast -d 'host=%s port=%s user=%s passfile=%s'", Data, primary, port, role, PassFile))
	if err != nil {
		return err
	}
	return i.StartServer(ctx)
}

// makeData makes the empty data directory.
func (i *Instance) makeData(ctx context.Context) error {
	_, err := i.Run(ctx, "install -d -o postgres -g postgres -m 0700 "+Data)
	return err
}

// ServerLog is the server's log, where the driver has it, too.
const ServerLog = Data + ".log"

// StartServer starts the instance, which goes on when the agent ends.
func (i *Instance) StartServer(ctx context.Context) error {
	_, err := i.Run(ctx, fmt.Sprintf("touch %[1]s; chown postgres:postgres %[1]s; chmod 0600 %[1]s", ServerLog))
	if err != nil {
		return err
	}
	_, err = i.As(ctx, fmt.Sprintf("pg_ctl -D %s -l %s -w -s start || { tail -n 20 %[2]s >&2; false; }", Data, ServerLog))
	return err
}

// StopServer stops the instance, which may not run.
func (i *Instance) StopServer(ctx context.Context) error {
	_, err := i.As(ctx, fmt.Sprintf("! pg_ctl -D %s status >/dev/null || pg_ctl -D %[1]s -w -s -m fast stop", Data))
	return err
}

// Following are the addresses of the hosts whose replicas stream from the instance,
// sorted.
func (i *Instance) Following(ctx context.Context) ([]string, error) {
	out, err := i.SQL(ctx, "SELECT client_addr FROM pg_stat_replication WHERE state = 'streaming' AND application_name <> 'pg_basebackup' ORDER BY 1")
	if err != nil {
		return nil, err
	}
	return strings.Fields(out), nil
}

// Leftovers lists what rackswarm put beside the data and did not remove.
func (i *Instance) Leftovers(ctx context.Context) (string, error) {
	return i.Run(ctx, fmt.Sprintf("find %s -mindepth 1 -maxdepth 1 -name '.rackswarm*'", filepath.Dir(Data)))
}

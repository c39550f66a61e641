package dbhost

import (
	"context"
	"fmt"
	"strconv"

	"github.com/rackswarm/rackswarm/acceptance/hosts"
)

// Load writes to an instance all the time.
type Load struct {
	on      *Instance
	session *hosts.Service
}

const loadName = "load"

const loadTable = `CREATE TABLE IF NOT EXISTS load (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), text text NOT NULL)`

// loadLoop is one transaction of ten rows after the other, with a pause that keeps
// the log small.
const loadLoop = `DO $$ BEGIN LOOP
 INSERT INTO load (text) SELECT md5(random()::text) FROM generate_series(1, 10);
 COMMIT;
 PERFORM pg_sleep(0.02);
END LOOP; END $$`

// StartLoad makes the table load and writes rows to it until Stop.
func (i *Instance) StartLoad(ctx context.Context) (*Load, error) {
	if _, err := i.SQL(ctx, loadTable); err != nil {
		return nil, err
	}
	session, err := i.Start(loadName, "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", "HOME=/", "PGAPPNAME="+loadName,
		Bin+"/psql", "-XAtq", "-d", "postgres", "-c", loadLoop)
	if err != nil {
		return nil, err
	}
	return &Load{i, session}, nil
}

// Rows is how many rows an instance has of the load.
func (i *Instance) Rows(ctx context.Context) (int, error) {
	out, err := i.SQL(ctx, "SELECT count(*) FROM load")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// Stop ends the load and returns how many rows there are then.
func (l *Load) Stop(ctx context.Context) (rows int, err error) {
	if !l.session.Running() {
		return 0, fmt.Errorf("the load on %s ended before: %w", l.on.Name, l.session.Wait())
	}
	_, err = l.on.SQL(ctx, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = '"+loadName+"'")
	if err != nil {
		return 0, err
	}
	<-l.session.Exited()
	return l.on.Rows(ctx)
}

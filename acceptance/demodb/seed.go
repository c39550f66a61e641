package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/api"
)

const playbook = "ansible-playbook -i " + examples + "/inventory.ini " + examples + "/seed.yml"

// seed runs the play, and shows the replicas.
func (d *demo) seed(ctx context.Context) error {
	d.out.Heading("A play seeds two replicas while db1 is written to: one capture, moved by the swarm, switched to one after the other")
	collection := strings.TrimPrefix(d.collection, d.top+"/")
	if _, err := d.shell(ctx, "ansible-galaxy collection install --offline "+collection, func(line string) string {
		if strings.Contains(line, "successfully") {
			return line
		}
		return ""
	}); err != nil {
		return err
	}
	copies := d.watchCopies(ctx)
	begin := time.Now()
	out, err := d.shell(ctx, playbook, played)
	d.seeded = time.Since(begin)
	moved := copies()
	switch {
	case err != nil:
		return err
	case strings.Count(out, "changed=1 ") != 2:
		return errors.New("the play did not change both replicas")
	}
	d.showCopies(moved)
	return d.showReplicas(ctx)
}

// showReplicas shows that both stream, and have what db1 has.
func (d *demo) showReplicas(ctx context.Context) error {
	d.out.Note("")
	out, err := d.shell(ctx, "sql db1 'SELECT client_addr, state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS lag_bytes FROM pg_stat_replication ORDER BY 1'", short)
	if err != nil {
		return err
	}
	if strings.Count(out, "streaming") != 2 {
		return errors.New("not both replicas stream")
	}
	const count = `'SELECT (SELECT count(*) FROM pgbench_accounts) AS accounts, (SELECT count(*) FROM load) AS load'`
	for _, name := range []string{"db1", "db2", "db3"} {
		out, err := d.shell(ctx, "sql "+name+" "+count, func(line string) string {
			if line = short(line); strings.Contains(line, "accounts") && name != "db1" {
				return ""
			}
			return line
		})
		if err != nil {
			return err
		}
		if !strings.Contains(out, d.accounts) {
			return fmt.Errorf("%s does not have the %s accounts", name, d.accounts)
		}
	}
	return nil
}

// watchCopies looks at what seeds move until the function that it returns is
// called, which returns what it saw last: the distributions of a run go with it.
func (d *demo) watchCopies(ctx context.Context) func() map[string]api.Status {
	ctx, stop := context.WithCancel(ctx)
	seen := map[string]api.Status{}
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			all, _ := d.client.Distributions(ctx) // it is asked again
			for _, one := range all {
				if !strings.HasPrefix(path.Base(one.Path), ".rackswarm.") {
					continue
				}
				if st, err := d.client.Status(ctx, one.Name); err == nil && st.Artifact != nil {
					seen[one.Name] = st
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() map[string]api.Status {
		stop()
		watching.Wait()
		return seen
	}
}

// showCopies tells what crossed which link.
func (d *demo) showCopies(seen map[string]api.Status) {
	d.out.Note("")
	for _, st := range seen {
		s := st.Summary
		d.ratio = s.SeedingRatio
		d.out.Note("Moved           %s to each of %d nodes", size(st.Artifact.SizeBytes), s.Targets)
		d.out.Note("Seeding ratio   %.2f  copies sent by db1", s.SeedingRatio)
		d.out.Note("Copies entered  %.2f  the rack of db2 and db3", s.UplinkCopies["ams/r2"])
	}
}

// seedAgain runs the play again.
func (d *demo) seedAgain(ctx context.Context) error {
	d.out.Heading("A second run of the play changes nothing")
	begin := time.Now()
	out, err := d.shell(ctx, playbook, played)
	d.again = time.Since(begin)
	if err == nil && strings.Count(out, "changed=0 ") != 2 {
		err = errors.New("the play changed something again")
	}
	return err
}

// eventually waits for what takes a moment.
func eventually(ctx context.Context, what string, check func() error) error {
	return wait.Until(ctx, 3*time.Minute, what, check)
}

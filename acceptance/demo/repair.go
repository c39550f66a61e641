package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/api"
)

// lost is the file that is removed, below the tree.
const lost = "src/net/http/server.go"

// loseFile removes a file on one node and shows that it comes back.
func (d *demo) loseFile(ctx context.Context) error {
	victim := d.fleet.agents[len(d.fleet.agents)-1]
	d.out.Heading("A file is lost on %s, noticed and repaired", victim.name)
	before, err := d.nodeStatus(ctx, victim.name)
	if err != nil {
		return err
	}
	file := victim.path("go", lost)
	d.out.Command("rm", file)
	if err := os.Remove(file); err != nil {
		return err
	}
	begin := time.Now()
	var after api.NodeStatus
	err = wait.Until(ctx, 2*time.Minute, victim.name+" has repaired it", func() error {
		if after, err = d.nodeStatus(ctx, victim.name); err != nil {
			return err
		}
		if after.Repaired <= before.Repaired || after.Drifted || after.Phase != api.PhaseInstalled {
			return fmt.Errorf("it is %s, after %d repairs", after.Phase, after.Repaired)
		}
		return nil
	})
	if err != nil {
		return err
	}
	same, err := sameContent(file, filepath.Join(d.source, lost))
	if err == nil && !same {
		err = errors.New(file + " is not what was published")
	}
	if err != nil {
		return err
	}
	d.out.Command("rackswarm", "status", distribution, "--json")
	d.out.Note("... \"node\": %q, \"phase\": %q, \"repaired\": %d ...", after.Node, after.Phase, after.Repaired)
	d.out.Note("")
	d.out.Note("Reported by  %s", after.Node)
	d.out.Note("Back after   %.1f s, the same bytes as in the source. Nodes look every 2 s here,", time.Since(begin).Seconds())
	d.out.Note("             less often where looking takes more than 5%% of their time")
	d.out.Note("Moved        %s from its peers, the span that the file is in", size(received(after)-received(before)))
	return nil
}

// nodeStatus is one node's report on the distribution.
func (d *demo) nodeStatus(ctx context.Context, name string) (api.NodeStatus, error) {
	st, err := d.fleet.client.Status(ctx, distribution)
	if err != nil {
		return api.NodeStatus{}, err
	}
	for _, n := range st.Nodes {
		if n.Node == name {
			return n, nil
		}
	}
	return api.NodeStatus{}, fmt.Errorf("%s is no target of %s", name, distribution)
}

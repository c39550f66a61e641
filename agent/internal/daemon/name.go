package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pause"
)

// nameWait is how long an agent waits for another one's record under its name to
// expire: longer than the record's lease, so that only a live agent keeps it.
const nameWait = 20 * time.Second

// openName makes sure that no other live agent has this node's name: the two
// would speak for one another. A record with our own address is what an earlier
// run left. Without a store there is nobody to ask.
func (d *daemon) openName(ctx context.Context) error {
	deadline := time.Now().Add(nameWait)
	for told := false; ; told = true {
		other, err := d.namesake(ctx)
		if err != nil || other == "" {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return &api.Error{Code: api.CodeConflict, Subject: "node.name " + d.self.Name,
				Message: "the agent at " + other + " has this name and is alive",
				Fix:     "give this node a name of its own, or stop that agent"}
		}
		if !told {
			d.log.Warn("another agent is registered under this node's name; waiting for its record to expire",
				"node", d.self.Name, "address", other, "at_most", nameWait)
		}
		if err := pause.For(ctx, time.Second); err != nil {
			return err
		}
	}
}

// namesake is the address of another live agent of our name, "" if there is
// none.
func (d *daemon) namesake(ctx context.Context) (string, error) {
	nodes, err := d.store.Nodes(ctx)
	if err != nil {
		return "", fmt.Errorf("look for agents of the same name: %w", err)
	}
	for _, n := range nodes {
		if n.Name == d.self.Name && n.Alive && n.DataAddr != d.self.DataAddr {
			return n.DataAddr, nil
		}
	}
	return "", nil
}

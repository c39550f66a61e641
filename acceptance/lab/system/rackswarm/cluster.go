package rackswarm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/wait"
)

// cluster is a Redis Cluster of masters without replicas.
type cluster struct{ redisStore }

// hashSlots is how many slots a Cluster divides among its masters.
const hashSlots = 16384

func (c *cluster) start(ctx context.Context) error {
	if err := c.redisStore.start(ctx); err != nil {
		return err
	}
	n := len(c.servers)
	for i, r := range c.servers {
		if err := r.client.ClusterAddSlotsRange(ctx, i*hashSlots/n, (i+1)*hashSlots/n-1).Err(); err != nil {
			return fmt.Errorf("give slots to %s: %w", r.address(), err)
		}
		first := c.servers[0]
		if i == 0 {
			continue
		}
		if err := r.client.Do(ctx, "CLUSTER", "MEET", r.host.Address.String(), first.port, first.port+1000).Err(); err != nil {
			return fmt.Errorf("join %s to the cluster: %w", r.address(), err)
		}
	}
	return wait.Until(ctx, redisTimeout, "the cluster serves", func() error {
		for _, r := range c.servers {
			info, err := r.client.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_size:%d", n)) {
				return errors.New(info)
			}
		}
		return nil
	})
}

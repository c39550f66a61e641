package storetest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const clusterSlots = 16384

// StartCluster starts a Redis Cluster of that many masters, without replicas.
func StartCluster(t testing.TB, masters int) []*Redis {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var nodes []*Redis
	var firstBus string
	for i := range masters {
		bus := FreePort(t)
		firstBus = cmp.Or(firstBus, bus)
		r := StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		nodes = append(nodes, r)
		first, last := i*clusterSlots/masters, (i+1)*clusterSlots/masters-1
		c := dial(t, r)
		must(t, c.ClusterAddSlotsRange(ctx, first, last).Err())
		if i > 0 {
			host, port, err := net.SplitHostPort(nodes[0].Addr)
			must(t, err)
			must(t, c.Do(ctx, "CLUSTER", "MEET", host, port, firstBus).Err())
		}
	}
	for _, r := range nodes {
		r.awaitCluster(ctx, masters)
	}
	return nodes
}

func dial(t testing.TB, r *Redis) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: r.Addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { c.Close() })
	return c
}

// awaitCluster returns when the node knows all the others and serves.
func (r *Redis) awaitCluster(ctx context.Context, masters int) {
	r.t.Helper()
	c := dial(r.t, r)
	for {
		info, err := c.ClusterInfo(ctx).Result()
		if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d", masters)) {
			return
		}
		if ctx.Err() != nil {
			r.t.Fatalf("the cluster does not form (%v): %s", err, info)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// StartSentinel starts a master, a replica and a Sentinel that fails over
// within about a second. master is the Sentinel's name for them.
func StartSentinel(t testing.TB) (sentinel, first, second *Redis, master string) {
	t.Helper()
	first, second = StartRedis(t), StartRedis(t)
	host, port, err := net.SplitHostPort(first.Addr)
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	must(t, dial(t, second).ReplicaOf(ctx, host, port).Err())
	sentinel = startSentinel(t)
	c := dial(t, sentinel)
	must(t, c.Do(ctx, "SENTINEL", "MONITOR", "fleet", host, port, 1).Err())
	must(t, c.Do(ctx, "SENTINEL", "SET", "fleet", "down-after-milliseconds", 300, "failover-timeout", 3000).Err())
	for {
		replicas, err := c.Do(ctx, "SENTINEL", "REPLICAS", "fleet").Slice()
		if err == nil && len(replicas) == 1 {
			return sentinel, first, second, "fleet"
		}
		if ctx.Err() != nil {
			t.Fatalf("the Sentinel does not find the replica: %v, %v", replicas, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

package store

import (
	"context"
	"embed"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var lua embed.FS

// script joins the named files of lua/ to one script, sent by its SHA-1.
func script(names ...string) *redis.Script {
	var src []byte
	for _, name := range names {
		part, err := lua.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // a file that is compiled in
		}
		src = append(src, part...)
	}
	return redis.NewScript(string(src))
}

var (
	groupJoin     = script("clock", "group", "join")
	groupLeave    = script("clock", "group", "leave")
	groupClaim    = script("clock", "group", "claim")
	groupRenew    = script("clock", "group", "renew")
	groupRelease  = script("clock", "group", "release")
	groupSnapshot = script("clock", "group", "snapshot")

	pendingSet   = script("clock", "pending", "pending_set")
	pendingClear = script("clock", "pending", "pending_clear")
	pendingList  = script("clock", "pending", "pending_list")

	nodePut     = script("clock", "node_put")
	nodeAlive   = script("clock", "node_alive")
	artifactPut = script("artifact_put")
	seedAdd     = script("seed_add")
	seedTrouble = script("seed_trouble")

	runCreate    = script("run_create")
	runPut       = script("run_put")
	runDelete    = script("run_delete")
	partReport   = script("part_report")
	leaseTake    = script("lease_take")
	leaseRelease = script("lease_release")

	readingsPut = script("clock", "readings_put")
	linkFacts   = script("clock", "link_facts")
	linkClear   = script("link_clear")
	linkClaim   = script("clock", "link_claim")
)

// idle is how long the keys of a transfer outlive the last touch.
const idle = time.Hour

// idleMillis keeps keys at least as long as a lease in them.
func idleMillis(lease time.Duration) int64 { return max(idle, 2*lease).Milliseconds() }

func (s *Store) run(ctx context.Context, sc *redis.Script, keys []string, args ...any) *redis.Cmd {
	return sc.Run(ctx, s.client, keys, args...)
}

// call is a script with its keys and arguments.
type call struct {
	script *redis.Script
	keys   []string
	args   []any
}

// runAll runs calls that do not depend on each other, in one round trip; in one more
// for each of which the server did not know the script yet. It returns their replies,
// in their order, each with its error.
func (s *Store) runAll(ctx context.Context, calls []call) []*redis.Cmd {
	replies := make([]*redis.Cmd, len(calls))
	// The error is that of one of the replies.
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, c := range calls {
			replies[i] = c.script.EvalSha(ctx, p, c.keys, c.args...)
		}
		return nil
	})
	for i, c := range calls {
		if redis.HasErrorPrefix(replies[i].Err(), "NOSCRIPT") {
			replies[i] = c.script.Eval(ctx, s.client, c.keys, c.args...)
		}
	}
	return replies
}

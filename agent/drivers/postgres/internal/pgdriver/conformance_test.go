package pgdriver_test

import (
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginapi/conformance"
)

const program = "github.com/rackswarm/rackswarm/agent/drivers/postgres"

func TestConformance(t *testing.T) {
	t.Parallel()
	needPostgres(t)
	spare := newPrimary(t, place(t))   // of members of no source
	instances := map[string]*cluster{} // by data directory
	conformance.Test(t, conformance.Config{
		Program: conformance.Build(t, program, "postgres"),
		Source: func(t *testing.T, dir string) pluginapi.Target {
			p := newPrimary(t, dir)
			instances[p.target.DataDir] = p
			return p.target
		},
		Member: func(t *testing.T, dir string, source pluginapi.Target) pluginapi.Target {
			p := instances[source.DataDir]
			if p == nil {
				p = spare
			}
			m := p.replicaIn(t, dir, "member")
			instances[m.target.DataDir] = m
			return m.target
		},
		Role: pluginapi.AsReplica,
		// pg_verifybackup leaves out what members change, and of the log reads what
		// the files need.
		Undetected: func(path string) bool {
			return path == "postgresql.auto.conf" || strings.HasPrefix(path, "pg_wal/")
		},
		Same: func(t *testing.T, source, member pluginapi.Target) {
			m := *instances[member.DataDir]
			m.t = t
			m.follows(instances[source.DataDir])
		},
	})
}

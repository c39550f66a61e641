// Package acceptance tests the promises of rackswarm on real binaries: agents as
// processes, a real store, real TLS, real files. There is one file per promise.
package acceptance

import (
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

func TestMain(m *testing.M) { fleet.Main(m) }

// Package foreign tests that other BitTorrent clients, unmodified, take part in
// transfers of real agents: an anacrolix Client and Debian's libtorrent, and a
// client of the test's own that misbehaves.
package foreign

import (
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

func TestMain(m *testing.M) { fleet.Main(m) }

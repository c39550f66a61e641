package store_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

func TestRedis(t *testing.T) {
	r := storetest.StartRedis(t)
	storetest.Run(t, storetest.Backend{Config: store.Config{URL: r.URL}, Kill: r.Kill, Restart: r.Restart})
}

// TestRedisTLS uses an ACL user with exactly the rights that the package's
// documentation names.
func TestRedisTLS(t *testing.T) {
	r := storetest.StartRedisTLS(t, "--user", "default", "off",
		"--user", "agent", "on", ">secret", "~rackswarm:*", "&rackswarm:*", "+@all", "-@dangerous", "-@admin")
	storetest.Run(t, storetest.Backend{
		Config: store.Config{URL: r.URL, TLS: r.TLS, Username: "agent", Password: "secret"},
		Kill:   r.Kill, Restart: r.Restart,
	})
}

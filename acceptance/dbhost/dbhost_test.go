package dbhost_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
)

func TestMain(m *testing.M) { fleet.Main(m) }

// A primary under load and a replica made by hand: it streams what is written, and
// both end with their hosts.
func TestReplica(t *testing.T) {
	if err := dbhost.Unsupported(); err != nil {
		t.Skip(err)
	}
	set, err := hosts.New(t.Context(), hosts.Options{Names: []string{"db1", "db2"},
		Programs: map[string]string{"rackswarm-driver-postgres": fleet.Binary(t, "agent/drivers/postgres")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	db1, db2 := dbhost.On(set.Host("db1"), dbhost.Quick()), dbhost.On(set.Host("db2"), dbhost.Quick())
	for _, db := range []*dbhost.Instance{db1, db2} {
		must(db.Prepare(t.Context(), "postgres"))
	}
	must(db1.InitPrimary(t.Context()))
	load, err := db1.StartLoad(t.Context())
	must(err)
	must(db2.InitReplica(t.Context(), "db1"))
	fleet.Eventually(t, time.Minute, "db2 streams", func() error {
		following, err := db1.Following(t.Context())
		if err == nil && !slices.Equal(following, []string{db2.Address}) {
			err = fmt.Errorf("%q do", following)
		}
		return err
	})
	rows, err := load.Stop(t.Context())
	must(err)
	if rows == 0 {
		t.Error("the load wrote nothing")
	}
	fleet.Eventually(t, time.Minute, "db2 has all rows", func() error {
		got, err := db2.Rows(t.Context())
		if err == nil && got != rows {
			err = fmt.Errorf("%d of %d", got, rows)
		}
		return err
	})
	must(db2.StopServer(t.Context()), db2.StopServer(t.Context()), db2.StartServer(t.Context()))
	if left, err := db1.Leftovers(t.Context()); err != nil || left != "" {
		t.Errorf("left: %q, %v", left, err)
	}
}

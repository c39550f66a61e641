package restore

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// A note that is read is the one that would be written.
func FuzzParseNote(f *testing.F) {
	run := api.Run{ID: "r1", Request: api.RunRequest{Database: "main", Restore: &api.Restore{As: api.AsReplica}}, Members: []api.RunPart{{Node: "db1"}}}
	j, _ := decide.NewJournal(run, "db1")
	text, err := note{Goal: api.GoalReady, Data: "/srv/pg/data", Driver: "toy", Name: "b1", journal: j}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"goal":"end","journal":{"run":"r1","source":{}}}`))
	f.Add([]byte(`{"journal":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseNote(text)
		if err != nil {
			return
		}
		once, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseNote(once)
		if err != nil {
			t.Fatalf("%v in %s", err, once)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s (%v)", once, twice, err)
		}
	})
}

// A manifest comes from another machine.
func FuzzParseManifest(f *testing.F) {
	text, err := json.Marshal(manifest{Format: manifestFormat, Name: "b1", Content: contentNew})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err == nil && m.Format != manifestFormat {
			t.Errorf("format %d was taken", m.Format)
		}
	})
}

func FuzzPointsIn(f *testing.F) {
	f.Add("30 22 8:2 / /srv/pg rw - ext4\n", "/srv/pg")
	f.Add(`31 30 8:3 / /srv/a\040b rw`, "/srv")
	f.Fuzz(func(t *testing.T, table, path string) {
		for _, at := range pointsIn(table, path) {
			if !strings.HasPrefix(at, strings.TrimSuffix(path, "/")) {
				t.Errorf("%q is not in %q", at, path)
			}
		}
	})
}

// Whatever surrounds a password, it is not told.
func FuzzClean(f *testing.F) {
	f.Add("connection to db1 failed: ", " sslmode=require")
	f.Add("postgres://a@b/", "'\"")
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, secret := range []string{"password=hunter2", "PGPASSWORD='hunter2'", `"password": "hunter2"`, "postgres://me:hunter2@db1/x"} {
			if got := clean(before + " " + secret + " " + after); strings.Contains(got, "hunter2") && !strings.Contains(before+after, "hunter2") {
				t.Errorf("%q", got)
			}
		}
	})
}

package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/rackswarm/rackswarm/core/api"
)

// FuzzStateFile: whatever the file of an embedded store holds, the store starts
// with it or says why not.
func FuzzStateFile(f *testing.F) {
	for _, seed := range []string{
		`{"format":1,"hashes":{"rackswarm:{nodes}:known":{"a":"{\"name\":\"a\"}"}},"sorted":{"rackswarm:{artifacts}:seeds:x":{"a":1}}}`,
		`{"format":1,"hashes":{"k":{"a":"b"}},"sorted":{"k":{"a":1}}}`,
		`{"format":1,"hashes":{"":{"":""}},"sorted":{"":{"":-1e300}}}`,
		`{"format":2}`, `{"format":1}`, ``, `null`, `{"format":1,"hashes":null}`, `{"hashes":7}`,
	} {
		f.Add([]byte(seed))
	}
	file := filepath.Join(f.TempDir(), "store.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		path := file + filepath.Base(t.Name())
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		e := &Embedded{redis: miniredis.NewMiniRedis()}
		err := e.startState(EmbeddedConfig{StateFile: path, Logger: slog.New(slog.DiscardHandler)})
		if closed := e.Close(); err == nil && closed != nil {
			t.Fatal(closed)
		}
	})
}

// FuzzRecord: whatever stands in the store, records are read or left out.
func FuzzRecord(f *testing.F) {
	f.Add(`{"name":"a","location":"x/y","labels":{"a":"b"},"last_seen":"2000-01-01T00:00:00Z"}`)
	f.Add(`{"digest":"sha256:00","seeds":["a"],"size_bytes":-1}`)
	f.Add(`{"name":"d","selector":{"locations":["/"]},"state":"absent"}`)
	f.Add(`{"node":"a","received":{"by_level":[1,2]},"error":null}`)
	f.Add(`{"id":"main-1","content":{"data_bytes":1},"copies":["a"],"verified_at":"2000-01-01T00:00:00Z"}`)
	f.Add(`{"name":"nightly","run":{"copies":{"count":2},"restore":{"as":"replica"}}}`)
	f.Add(`[]`)
	f.Fuzz(func(_ *testing.T, record string) {
		_, _ = decode[api.NodeStatus]("status", "a", record)
		_, _ = decode[api.Backup]("backup", "a", record)
		_, _ = decode[api.Schedule]("schedule", "a", record)
		n, err := decode[api.Node]("node", "a", record)
		if err == nil {
			_ = api.Selector{Locations: []string{"x"}}.Matches(n)
		}
		if d, err := decode[api.Distribution]("distribution", "a", record); err == nil {
			_ = d.Selector.Validate()
			_ = d.Converged(api.NodeStatus{})
		}
	})
}

// FuzzRun: whatever stands for a run and a report on it, what is read of the run
// is written so that it reads the same again, without the report.
func FuzzRun(f *testing.F) {
	f.Add(`3 {"id":"r","generation":3,"source":{"node":"a"},"members":[{"node":"b","report":{"node":"b"}}]}`, `{"node":"a","state":"probed"}`)
	f.Add(`1 {"id":"r","members":null,"error":{"code":"io"},"finished_at":"2000-01-01T00:00:00+01:00"}`, `{"node":"","progress":{}}`)
	f.Add(`2 {"id":"other"}`, ``)
	f.Add(` `, `[]`)
	f.Fuzz(func(t *testing.T, record, report string) {
		r, err := decodeRun("r", record)
		if err != nil {
			return
		}
		merge(&r, decodeReports(t.Context(), "r", map[string]string{"a": report}))
		first, err := encodeRun(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRun("r", first)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range again.Parts() {
			if !reflect.DeepEqual(p.Report, api.PartReport{}) {
				t.Fatalf("a report is in the record: %s", first)
			}
		}
		if second, err := encodeRun(again); err != nil || second != first {
			t.Fatalf("got %s and %v, want %s", second, err, first)
		}
	})
}

package control

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/restore"
)

// FuzzDatabases: whatever the body of a request for a run or a schedule, it is
// understood, or refused with an error that says what to do; what was understood
// has a next time.
func FuzzDatabases(f *testing.F) {
	for _, seed := range []string{
		`{"id":"r1","database":"main","source":"db1","copies":{"count":2,"path":"/srv/b","selector":{},"keep_only":{"last":3}}}`,
		`{"database":"main","backup":"latest","restore":{"selector":{"node_names":["a"]},"as":"replica","max_lag_bytes":1,"health_timeout":1e300}}`,
		`{"name":"nightly","when":"0 2 * * *","time_zone":"Europe/Berlin","run":{"database":"main","source":"db1","copies":{"count":1,"path":"/b"}}}`,
		`{"name":"n","when":"0 0 30 2 *","run":{}}`, `{"when":"@every 1s"}`, `{"when":"TZ=UTC * * * * *"}`,
		`{"time_zone":"../../etc/passwd","when":"@daily"}`, `{}`, `[]`, `{"run":[]}`, `{"copies":null,"restore":null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var r api.RunRequest
		if err := decodeText(t, body, &r); err == nil {
			wantUserError(t, body, restore.Validate(r))
		}
		var s api.Schedule
		if err := decodeText(t, body, &s); err != nil {
			return
		}
		err := restore.ValidateSchedule(s)
		wantUserError(t, body, err)
		if err != nil {
			return
		}
		if _, err := restore.NextDue(s, time.Unix(1e9, 0)); err != nil {
			t.Fatalf("%q is valid, and has no next time: %v", body, err)
		}
	})
}

package module

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// invoke runs the module as Ansible does, and returns its answer.
func invoke(t *testing.T, text string) (result, bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "args")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	ok := Main(t.Context(), []string{file}, &out)
	var r result
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("the answer is not one JSON object: %v\n%s", err, out.String())
	}
	return r, ok
}

func TestFailuresAreAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	for name, c := range map[string]struct{ text, code, subject string }{
		"bad option": {`{"name":"app","colour":"red"}`, api.CodeInvalid, "colour"},
		"no agent":   {`{"name":"app","state":"absent","endpoint":"unix://` + socket + `"}`, api.CodeUnreachable, "none.sock"},
		"endpoint":   {`{"name":"app","state":"absent","endpoint":"ftp://x"}`, api.CodeInvalid, "ftp://x"},
		"https":      {`{"name":"app","state":"absent","endpoint":"https://x:1"}`, api.CodeInvalid, "https://x:1"},
		"no CA":      {`{"name":"app","state":"absent","endpoint":"https://x:1","ca_path":"/nowhere/ca.crt"}`, api.CodeInvalid, "/nowhere/ca.crt"},
	} {
		r, ok := invoke(t, c.text)
		if ok || !r.Failed || r.Changed || r.Msg == "" || r.Error == nil {
			t.Errorf("%s: answer %+v, %v", name, r, ok)
			continue
		}
		if r.Error.Code != c.code || !strings.Contains(r.Error.Subject, c.subject) || r.Error.Fix == "" {
			t.Errorf("%s: error %+v, want code %s about %s and a fix", name, r.Error, c.code, c.subject)
		}
	}
}

func TestCalledWrongly(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}, {filepath.Join(t.TempDir(), "none")}} {
		var out strings.Builder
		if Main(t.Context(), args, &out) || !strings.Contains(out.String(), `"failed":true`) {
			t.Errorf("%q: %s", args, out.String())
		}
	}
}

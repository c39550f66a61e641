package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
)

// alone runs a command that needs no agent.
func alone(t *testing.T, app App, args ...string) result {
	t.Helper()
	var out, errOut strings.Builder
	app.Stdout, app.Stderr = &out, &errOut
	code := app.Main(t.Context(), args)
	return result{code, out.String(), errOut.String()}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range []string{"frobnicate", "nodes extra", "nodes --frobnicate", "status a b", "agent --config a --print-config", "pki issue", "pki init extra"} {
		r := alone(t, App{}, strings.Fields(args)...)
		if r.code != exitUsage || !strings.HasPrefix(r.errOut, "Error: ") || !strings.Contains(r.errOut, "--help") || r.out != "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

func TestErrorsAsJSON(t *testing.T) {
	f := newFleet(t)
	r := f.run("status", "nothing", "--json")
	if e := decode[api.ErrorBody](f, r.errOut).Error; r.code != exitFailed || r.out != "" || e.Code != api.CodeNotFound || e.Subject != "nothing" {
		t.Errorf("got %+v", r)
	}
}

func TestNoAgent(t *testing.T) {
	r := alone(t, App{}, "nodes", "--endpoint", "unix:///nonexistent/agent.sock")
	if r.code != exitFailed || !strings.Contains(r.errOut, "/nonexistent/agent.sock") || !strings.Contains(r.errOut, "Fix: ") {
		t.Errorf("got %+v", r)
	}
}

func TestVersion(t *testing.T) {
	if r := alone(t, App{}, "version"); r.code != 0 || !strings.HasPrefix(r.out, "rackswarm "+Version) {
		t.Errorf("got %+v", r)
	} else if flag := alone(t, App{}, "--version"); flag != r {
		t.Errorf("--version says %+v, and version %+v", flag, r)
	}
	if r := alone(t, App{}, "version", "--json"); r.code != 0 || !strings.Contains(r.out, `"version": "`+Version) {
		t.Errorf("got %+v", r)
	}
}

func TestPKI(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	if r := alone(t, App{}, "pki", "init", "--dir", dir, "--publisher", "release"); r.code != 0 || !strings.Contains(r.out, "release.pub") || !strings.Contains(r.out, "SHA256:") {
		t.Fatalf("init: %+v", r)
	}
	if r := alone(t, App{}, "pki", "init", "--dir", dir); r.code != exitFailed || !strings.Contains(r.errOut, "ca.key") || !strings.Contains(r.errOut, "Fix: ") {
		t.Errorf("second init: %+v", r)
	}
	out := t.TempDir()
	if r := alone(t, App{}, "pki", "issue", "--dir", dir, "--name", "web1", "--role", "node", "--host", "web1.example", "--days", "30", "--out", out, "--json"); r.code != 0 {
		t.Errorf("issue: %+v", r)
	}
	if _, err := pki.Load(filepath.Join(dir, "ca.crt"), filepath.Join(out, "web1.crt"), filepath.Join(out, "web1.key")); err != nil {
		t.Error(err)
	}
	if r := alone(t, App{}, "pki", "issue", "--dir", dir, "--name", "web1", "--role", "king"); r.code != exitFailed || !strings.Contains(r.errOut, "--role") {
		t.Errorf("wrong role: %+v", r)
	}
}

func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	if _, err := pki.InitCA(dir, pki.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	files := map[string]pki.IssuedFiles{}
	for name, role := range map[string]pki.Role{"web1": pki.RoleNode, "reader": pki.RoleReader, "operator": pki.RoleOperator} {
		issued, err := pki.Issue(dir, pki.Request{Name: name, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		files[name] = issued
	}
	creds, err := pki.Load(files["web1"].CA, files["web1"].Cert, files["web1"].Key)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t)
	server, err := control.New(control.Config{
		Store: f.store, Listen: "127.0.0.1:0", TLS: creds.ServerTLS(), Self: func() api.Info { return api.Info{} },
		Identify: func(cs tls.ConnectionState) (string, string, error) {
			name, role, err := pki.Identity(cs)
			return name, string(role), err
		},
	})
	f.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	defer func() {
		cancel()
		f.must(<-ended)
	}()
	f.nodes()
	digest := f.artifact("site")

	as := func(name string) []string {
		return []string{"RACKSWARM_ENDPOINTS=unix:///nonexistent, https://" + server.Addr().String(), "RACKSWARM_CA=" + files[name].CA, "RACKSWARM_CERT=" + files[name].Cert, "RACKSWARM_KEY=" + files[name].Key}
	}
	put := []string{"distribute", "site", "--artifact", digest, "--path", "/srv/site"}
	if r := alone(t, App{Environ: as("reader")}, "nodes"); r.code != 0 || !strings.Contains(r.out, "web2") {
		t.Errorf("a reader reads: %+v", r)
	}
	if r := alone(t, App{Environ: as("reader")}, put...); r.code != exitFailed || !strings.Contains(r.errOut, "reader") {
		t.Errorf("a reader changes: %+v", r)
	}
	if r := alone(t, App{Environ: as("operator")}, put...); r.code != 0 {
		t.Errorf("an operator changes: %+v", r)
	}
	if r := alone(t, App{Environ: as("operator")[:2]}, "nodes"); r.code != exitUsage || !strings.Contains(r.errOut, "--cert") {
		t.Errorf("without a certificate: %+v", r)
	}
	if r := alone(t, App{Environ: as("operator")[:1]}, "nodes"); r.code != exitFailed || !strings.Contains(r.errOut, "https needs certificates") || !strings.Contains(r.errOut, "--ca, --cert and --key") {
		t.Errorf("without any: %+v", r)
	}
}

func TestCompletion(t *testing.T) {
	f := watched(t)
	digest := f.distribution("site").Digest
	for args, want := range map[string]string{
		"status ":                  "site\t/srv/site\n",
		"watch ":                   "site\t/srv/site\n",
		"peers ":                   "site\t/srv/site\n" + digest + "\tsite, 3.0 MiB\n",
		"peers site ":              "",
		"verify ":                  "site\t/srv/site\n",
		"rm --artifact ":           digest + "\tsite, 3.0 MiB\n",
		"rm --node ":               "db1\tams1/r2\nweb1\tams1/r1\nweb2\tams1/r1\n",
		"rm --content ":            "retain\nremove\n",
		"distribute x --location ": "ams1\nams1/r1\nams1/r2\n",
		"distribute x --label ":    "role=web\ntier=a\n",
		"distribute x --artifact ": digest + "\tsite, 3.0 MiB\n",
		"pki issue --role ":        "node\noperator\nreader\n",
		"status site ":             "",
	} {
		out := f.ok(append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if got, _, _ := strings.Cut(out, ":4\n"); got != want {
			t.Errorf("%q completes to %q, want %q", args, got, want)
		}
	}
	if out := f.ok("completion", "bash"); !strings.Contains(out, "rackswarm") {
		t.Error("no script for bash")
	}
	if r := alone(t, App{}, "__complete", "--endpoint", "unix:///nonexistent", "status", ""); !strings.HasPrefix(r.out, ":1\n") {
		t.Errorf("without an agent: %q", r.out)
	}
}

// agentFile writes a valid configuration.
func agentFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := "node: {name: web1}\nroots: [" + dir + "]\nstate_dir: " + dir + "\ntls: {enabled: false}\nstore: {url: 'redis://u:hunter2@127.0.0.1'}\n"
	file := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAgentPrintConfig(t *testing.T) {
	if r := alone(t, App{}, "agent", "--print-config"); r.code != 0 || r.out != config.Example {
		t.Errorf("got %+v", r)
	}
}

func TestAgentCheckConfig(t *testing.T) {
	file := agentFile(t)
	r := alone(t, App{Environ: []string{"RACKSWARM_NODE_LOCATION=ams1/r1"}}, "agent", "--check-config", file)
	for _, want := range []string{": ok\n", "Note: tls.enabled is false", "web1", "ams1/r1", "RACKSWARM_NODE_LOCATION", file + ":1:14", "default"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in:\n%s", want, r.out)
		}
	}
	if r.code != 0 || strings.Contains(r.out, "hunter2") {
		t.Errorf("got %+v", r)
	}
	r = alone(t, App{Environ: []string{"RACKSWARM_NODE_LOCATION=a//b", "RACKSWARM_CHECK_INTERVAL=x"}}, "agent", "--check-config", file)
	if r.code != exitFailed || strings.Count(r.errOut, "Error: ") != 2 || strings.Count(r.errOut, "Fix: ") != 2 || r.out != "" {
		t.Errorf("got %+v", r)
	}
}

// What only the parts of an agent find is told like the rest.
func TestAgentCheckConfigStartsParts(t *testing.T) {
	app := App{CheckAgent: func(_ context.Context, c config.Config, log *slog.Logger) error {
		if c.Node.Name != "web1" || log == nil {
			t.Errorf("asked about %+v", c.Node)
		}
		return &api.Error{Code: api.CodeInvalid, Subject: "databases.main", Message: "driver: no luck", Fix: "try again"}
	}}
	r := alone(t, app, "agent", "--check-config", agentFile(t))
	if r.code != exitFailed || !strings.Contains(r.errOut, "no luck") || !strings.Contains(r.errOut, "try again") || r.out != "" {
		t.Errorf("got %+v", r)
	}
}

func TestAgentRuns(t *testing.T) {
	file := agentFile(t)
	var got config.Config
	app := App{RunAgent: func(_ context.Context, c config.Config, log *slog.Logger) error {
		got = c
		log.Debug("running")
		return nil
	}}
	r := alone(t, app, "agent", "--config", file, "--log-level", "debug", "--log-format", "json")
	if r.code != 0 || got.Node.Name != "web1" || !strings.Contains(r.errOut, `"msg":"running"`) || !strings.Contains(r.errOut, "tls.enabled is false") {
		t.Errorf("got %+v, %+v", r, got.Node)
	}
	app.Environ = []string{"RACKSWARM_CONFIG=" + file, "RACKSWARM_STORE_URL="}
	if r := alone(t, app, "agent", "--embedded-store"); r.code != 0 || !got.Store.Embedded {
		t.Errorf("got %+v, %+v", r, got.Store)
	}
}

func TestAgentFails(t *testing.T) {
	file := agentFile(t)
	app := App{RunAgent: func(context.Context, config.Config, *slog.Logger) error { return errors.New("no luck") }}
	if r := alone(t, app, "agent", "--config", file); r.code != exitFailed || !strings.Contains(r.errOut, "Error: no luck") {
		t.Errorf("got %+v", r)
	}
	for _, args := range [][]string{{"--log-level", "loud"}, {"--log-format", "xml"}} {
		if r := alone(t, app, append([]string{"agent", "--config", file}, args...)...); r.code != exitUsage || !strings.Contains(r.errOut, args[0]) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if _, err := os.Stat(config.DefaultFile); err != nil {
		if r := alone(t, app, "agent"); r.code != exitFailed || !strings.Contains(r.errOut, config.DefaultFile) || !strings.Contains(r.errOut, "roots") {
			t.Errorf("without a configuration: %+v", r)
		}
	}
	if r := alone(t, app, "agent", "--config", "/nonexistent/agent.yaml"); r.code != exitFailed || !strings.Contains(r.errOut, "/nonexistent/agent.yaml") {
		t.Errorf("got %+v", r)
	}
}

func TestAgentStopsWhenAsked(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out strings.Builder
	app := App{Stdout: &out, Stderr: &out, RunAgent: func(ctx context.Context, _ config.Config, _ *slog.Logger) error {
		stop()
		<-ctx.Done()
		return ctx.Err()
	}}
	if code := app.Main(ctx, []string{"agent", "--config", agentFile(t)}); code != exitOK {
		t.Errorf("ended with %d: %s", code, out.String())
	}
}

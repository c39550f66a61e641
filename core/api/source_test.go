package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestParseSource(t *testing.T) {
	for _, c := range []struct {
		in    string
		kind  api.SourceKind
		shown string // "" if the source is refused
	}{
		{"/srv/x", api.SourcePath, "/srv/x"},
		{"/srv/https://x", api.SourcePath, "/srv/https://x"},
		{"x", 0, ""},
		{"", 0, ""},
		{"/a\x00b", 0, ""},
		{"/" + strings.Repeat("a", 9000), 0, ""},
		{"https://get.example/app-1.2.tar.gz", api.SourceURL, "https://get.example/app-1.2.tar.gz"},
		{"HTTP://get.example:8080", api.SourceURL, "http://get.example:8080"},
		{"https://u:hunter2@get.example/a?token=hunter2#hunter2", api.SourceURL, "https://get.example/a"},
		{"https://[::1]:8443/a%2Fb", api.SourceURL, "https://[::1]:8443/a%2Fb"},
		{"https:///a", 0, ""},
		{"https://u@:80/a", 0, ""},
		{"https://get.example/%zz", 0, ""},
		{"https://get.example/a b", api.SourceURL, "https://get.example/a%20b"},
		{"https://get.example:port/", 0, ""},
		{"ftp://get.example/a", 0, ""},
		{"s3://bucket/a", 0, ""},
		{"node://web1/srv/x", api.SourceNode, "node://web1/srv/x"},
		{"node://web1//srv/100%25 x", api.SourceNode, "node://web1/srv/100%25 x"},
		{"node://web1", 0, ""},
		{"node://web1/", 0, ""},
		{"node:///srv/x", 0, ""},
		{"node://we b1/srv/x", 0, ""},
		{"://x", 0, ""},
	} {
		s, err := api.ParseSource(c.in)
		if c.shown == "" {
			var e *api.Error
			if !errors.As(err, &e) || e.Code != api.CodeInvalid || e.Subject != "source" || e.Fix == "" {
				t.Errorf("%.40q: %v, want an error", c.in, err)
			}
			continue
		}
		if err != nil || s.Kind != c.kind || s.String() != c.shown || api.ShowSource(c.in) != c.shown {
			t.Errorf("%q: %+v shown as %q, %v", c.in, s, s, err)
		}
		if api.IsRemote(c.in) != (c.kind != api.SourcePath) {
			t.Errorf("%q: remote %v", c.in, api.IsRemote(c.in))
		}
	}
}

func TestShowSourceOfNonsense(t *testing.T) {
	for in, want := range map[string]string{"https://u:hunter2@h/%zz": "https://…", "x y": "x y", "ftp://u:hunter2@h/": "ftp://…"} {
		if got := api.ShowSource(in); got != want {
			t.Errorf("%q is shown as %q", in, got)
		}
	}
}

func TestValidatePublishRequest(t *testing.T) {
	sum := "sha256:" + strings.Repeat("0a", 32)
	headers := func(name, value string) api.PublishRequest {
		return api.PublishRequest{Source: "https://h/x", Headers: map[string]string{name: value}}
	}
	for _, c := range []struct {
		name    string
		req     api.PublishRequest
		subject string // "" if it is fine
	}{
		{"path", api.PublishRequest{Source: "/x", Checksum: sum, Expect: &api.SourceIdentity{}}, ""},
		{"url", api.PublishRequest{Source: "https://h/x", Checksum: sum, Headers: map[string]string{"Authorization": "Bearer a:b,c", "X-Key": "ü\t1"}}, ""},
		{"no source", api.PublishRequest{}, "source"},
		{"short checksum", api.PublishRequest{Source: "/x", Checksum: "sha256:00"}, "checksum"},
		{"upper case", api.PublishRequest{Source: "/x", Checksum: "sha256:" + strings.Repeat("0A", 32)}, "checksum"},
		{"md5", api.PublishRequest{Source: "/x", Checksum: "md5:" + strings.Repeat("0a", 32)}, "checksum"},
		{"headers for a path", api.PublishRequest{Source: "/x", Headers: map[string]string{"A": "b"}}, "headers"},
		{"identity of a url", api.PublishRequest{Source: "https://h/x", Expect: &api.SourceIdentity{}}, "expect"},
		{"a header twice", api.PublishRequest{Source: "https://h/x", Headers: map[string]string{"X-Key": "a", "x-key": "b"}}, "headers"},
		{"empty header", headers("", "x"), "headers"},
		{"header with a colon", headers("A:", "x"), "headers"},
		{"header of two lines", headers("A", "hunter2\r\nB: c"), "headers"},
		{"range", headers("range", "bytes=0-1"), "headers"},
		{"host", headers("Host", "x"), "headers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.req.Validate()
			var e *api.Error
			switch {
			case c.subject == "" && err != nil:
				t.Error(err)
			case c.subject != "" && (!errors.As(err, &e) || e.Subject != c.subject || e.Fix == ""):
				t.Errorf("%v, want an error about %s", err, c.subject)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// What is shown of a source parses, is shown the same, and holds no secret.
func FuzzParseSource(f *testing.F) {
	for _, seed := range []string{"/srv/x", "https://u:p@h:80/a?q=1#f", "http://[::1%25lo]/", "node://web1/srv/x", "node:////", "https://h/%2e%2e/;x=y", "x://", "https://h/\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := api.ParseSource(in)
		if err != nil {
			var e *api.Error
			if !errors.As(err, &e) || e.Fix == "" {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		again, err := api.ParseSource(s.String())
		if err != nil || again.String() != s.String() || again.Kind != s.Kind {
			t.Fatalf("%q is shown as %q, which is %+v, %v", in, s, again, err)
		}
		if s.Kind == api.SourceURL && (again.URL.User != nil || again.URL.RawQuery != "" || again.URL.Fragment != "") {
			t.Fatalf("%q is shown as %q", in, s)
		}
	})
}

package acceptance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// site serves one file by http and counts what it sends.
type site struct {
	file string
	etag string
	rate int // bytes per second of each connection, 0 for any
	sent atomic.Int64
	busy atomic.Int64 // requests
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Add(-1)
	f, err := os.Open(s.file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	w.Header().Set("ETag", s.etag)
	http.ServeContent(&slowly{w, s}, r, "", time.Time{}, f)
}

// slowly sends at the site's rate.
type slowly struct {
	http.ResponseWriter
	s *site
}

func (w *slowly) Write(p []byte) (int, error) {
	if w.s.rate > 0 {
		p = p[:min(len(p), 16<<10)]
		time.Sleep(time.Duration(len(p)) * time.Second / time.Duration(w.s.rate))
	}
	n, err := w.ResponseWriter.Write(p)
	w.s.sent.Add(int64(n))
	return n, err
}

// ReadFrom lets http.ServeContent call Write piece by piece.
func (w *slowly) ReadFrom(r io.Reader) (int64, error) {
	buf, sum := make([]byte, 16<<10), int64(0)
	for {
		n, err := r.Read(buf)
		m, failed := w.Write(buf[:n])
		if sum += int64(m); failed != nil {
			return sum, failed
		}
		if err != nil {
			return sum, nil
		}
	}
}

func newSite(t *testing.T, size int) *site {
	t.Helper()
	s := &site{file: filepath.Join(t.TempDir(), "app.img"), etag: `"1"`}
	random(t, s.file, size, 0o644)
	return s
}

func (s *site) checksum(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(s.file)
	must(t, err)
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// An agent that is killed in the middle of a download, and started again, fetches
// the rest and nothing else.
func TestKilledDownloader(t *testing.T) {
	t.Parallel()
	const size, kills = 24 << 20, 2
	s := newSite(t, size)
	s.rate = 4 << 20
	srv := httptest.NewServer(s)
	defer srv.Close()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 1)}) // another agent would begin anew
	agent := f.Agents()[0]
	source := srv.URL + "/app.img?sig=hunter2"
	kept := int64(0)
	for range kills {
		done := make(chan fleet.Result, 1)
		go func() { done <- f.TryCLI("publish", source) }()
		fleet.Eventually(t, patience, "more is kept", func() error {
			if now := keptOf(t, agent); now < kept+4<<20 {
				return fmt.Errorf("%d bytes, %d before", now, kept)
			}
			return nil
		})
		agent.Kill()
		if r := <-done; r.Code == 0 {
			t.Fatalf("the publication came through: %+v", r)
		}
		kept = keptOf(t, agent)
		fleet.Eventually(t, patience, "the server has noticed", func() error {
			if n := s.busy.Load(); n > 0 {
				return fmt.Errorf("%d requests go on", n)
			}
			return nil
		})
		agent.Restart()
	}
	before := s.sent.Load()
	var a api.Artifact
	f.JSON(&a, "publish", source)
	if rest := s.sent.Load() - before; rest != size-kept || a.Checksum != s.checksum(t) || a.Source != srv.URL+"/app.img" {
		t.Errorf("%d bytes were sent where %d of %d were kept; %+v", rest, kept, size, a)
	}
	dest := filepath.Join(f.Root, "app.img")
	f.CLI("distribute", "app", "--artifact", a.Digest, "--path", dest, "--wait")
	wantSame(t, s.file, dest, f.Agents()...)
	sent := s.sent.Load()
	if again := f.CLI("publish", source, "-q"); again != a.Digest+"\n" || s.sent.Load() != sent {
		t.Errorf("published again: %s, %d bytes more", again, s.sent.Load()-sent)
	}
	wantNoSecret(t, f, "hunter2")
}

// keptOf is how much an agent's only download will not fetch again.
func keptOf(t *testing.T, a *fleet.Agent) (sum int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(a.StateDir, "artifacts", "download-*", "progress"))
	must(t, err)
	for _, file := range files {
		var p struct {
			Done []struct{ From, To int64 }
		}
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &p) != nil {
			t.Fatalf("%s: %s, %v", file, text, err)
		}
		for _, s := range p.Done {
			sum += s.To - s.From
		}
	}
	return sum
}

// wantNoSecret looks for a secret in all that agents keep and log.
func wantNoSecret(t *testing.T, f *fleet.Fleet, secret string) {
	t.Helper()
	for _, a := range f.Agents() {
		files := []string{a.Log}
		must(t, filepath.WalkDir(a.StateDir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return nil
		}))
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", file, secret)
			}
		}
	}
}

// https with an authority of one's own, credentials, a checksum, and a proxy.
func TestDownloads(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3<<20)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer srv.Close()
	proxied := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied <- r.URL.String()
		s.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 1), Env: []string{"http_proxy=" + proxy.URL, "no_proxy="}})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644))
	agent := f.Agents()[0]
	agent.Start()
	f.WaitRegistered()
	wantError(t, f.TryCLI("publish", srv.URL+"/app.img"), srv.URL+"/app.img", "certificate", "publish.ca_file")
	agent.Stop()
	agent.Configure(map[string]any{"publish": map[string]any{"ca_file": ca}})
	agent.Restart()
	wantError(t, f.TryCLI("publish", srv.URL+"/app.img"), "401 Unauthorized", "credentials")
	headers := filepath.Join(t.TempDir(), "headers")
	must(t, os.WriteFile(headers, []byte("Authorization: Bearer hunter2\n"), 0o600))
	wrong := "sha256:" + strings.Repeat("0", 64)
	wantError(t, f.TryCLI("publish", srv.URL+"/app.img", "--header-file", headers, "--checksum", wrong), wrong, s.checksum(t))
	wantNothing(t, filepath.Join(agent.StateDir, "artifacts"))
	var a, b api.Artifact
	f.JSON(&a, "publish", srv.URL+"/app.img", "--header-file", headers, "--checksum", s.checksum(t))
	f.JSON(&b, "publish", "http://files.invalid/by/proxy.img")
	if b.Name != "proxy.img" || a.Checksum != b.Checksum || <-proxied != "http://files.invalid/by/proxy.img" {
		t.Errorf("%+v\n%+v", a, b)
	}
	wantNoSecret(t, f, "hunter2")
}

// Any agent has another one publish, over mutual TLS, what that one opens to the
// nodes.
func TestSourceOnAnotherNode(t *testing.T) {
	t.Parallel()
	nodes := fleet.Racks("ams1/r1", 3)
	nodes[0].NoPublisherKey = true // only passes requests on
	nodes[2].NoPublisherKey = true
	f := fleet.New(t, fleet.Options{Nodes: nodes, Redis: true})
	asked, far, keyless := f.Agents()[0], f.Agents()[1], f.Agents()[2]
	open, closed := t.TempDir(), t.TempDir()
	src := filepath.Join(open, "tree")
	must(t, os.Rename(makeTree(t), src))
	random(t, filepath.Join(closed, "shadow"), 100, 0o600)
	must(t, os.Symlink(closed, filepath.Join(open, "out")))
	for _, a := range []*fleet.Agent{asked, far, keyless} {
		a.Start()
	}
	f.WaitRegistered()
	source := "node://" + far.Name + src
	wantError(t, f.TryCLI("publish", source), source, "add the directory to publish.roots in the configuration of node "+far.Name)
	far.Stop()
	wantError(t, f.TryCLI("publish", source), "node "+far.Name+" is down")
	far.Configure(map[string]any{"publish": map[string]any{"roots": []string{open}}})
	far.Restart()

	var a api.Artifact
	f.JSON(&a, "publish", source)
	if a.Kind != "tree" || a.Name != "tree" || a.Source != src || !slices.Equal(a.Seeds, []string{far.Name}) {
		t.Errorf("%+v", a)
	}
	dest := filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--artifact", a.Digest, "--path", dest, "--wait")
	wantSame(t, src, dest, f.Agents()...)
	state, err := f.Client().Inspect(t.Context(), api.PublishRequest{Source: source})
	if err != nil || state.Version != a.SourceVersion {
		t.Errorf("inspected %+v, %v; published %q", state, err, a.SourceVersion)
	}

	for path, words := range map[string][]string{
		filepath.Join(open, "none"):          {"no such path"},
		filepath.Join(closed, "shadow"):      {"publish.roots"},
		filepath.Join(open, "out", "shadow"): {"leads out"},
		filepath.Join(open, "..", "shadow"):  {"publish.roots"},
	} {
		wantError(t, f.TryCLI("publish", "node://"+far.Name+path), append(words, "node "+far.Name)...)
	}
	wantError(t, f.TryCLI("publish", source, "--checksum", "sha256:"+strings.Repeat("0", 64)), "is a directory")
	wantError(t, f.TryCLI("publish", "node://nobody"+src), "no such node: nobody")
	wantError(t, f.TryCLI("publish", "node://"+keyless.Name+src), "node "+keyless.Name, "publish.key")
	far.Kill()
	fleet.Eventually(t, patience, "the node that was killed is missed", func() error {
		if r := f.TryCLI("publish", source); r.Code == 0 || !strings.Contains(r.Stderr, "node "+far.Name) {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}

// A node that ends while it hashes is named.
func TestSourceOnNodeThatIsKilled(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2), Redis: true})
	far := f.Agents()[1]
	dir := t.TempDir()
	far.Configure(map[string]any{"publish": map[string]any{"roots": []string{dir}}})
	for _, a := range f.Agents() {
		a.Start()
	}
	f.WaitRegistered()
	big := filepath.Join(dir, "big") // sparse, and long to hash
	must(t, os.WriteFile(big, nil, 0o644))
	must(t, os.Truncate(big, 64<<30))
	source, hashing := "node://"+far.Name+big, make(chan struct{})
	begun := sync.OnceFunc(func() { close(hashing) })
	done := make(chan error, 1)
	go func() {
		_, err := f.Client().Publish(t.Context(), api.PublishRequest{Source: source}, func(p api.Progress) {
			if p.Stage == "hashing" && p.Done > 0 {
				begun()
			}
		})
		done <- err
	}()
	select {
	case <-hashing:
	case err := <-done:
		t.Fatalf("it ended early: %v", err)
	}
	far.Kill()
	err := <-done
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeSourceDown || e.Subject != source || !strings.Contains(e.Fix, "the agent of node "+far.Name+" runs") {
		t.Errorf("%v", err)
	}
}

package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// everybody on this machine may take part as a client.
var admit = map[string]any{"foreign": map[string]any{"accept": []string{"127.0.0.0/8"}}}

// startFleet runs a publisher and, in another rack, a node that gets content. With
// TLS between agents, clients take part in plain TCP all the same.
func startFleet(t *testing.T, tls bool, settings map[string]any) (f *fleet.Fleet, publisher, target *fleet.Agent) {
	t.Helper()
	f = fleet.New(t, fleet.Options{Plain: !tls, Nodes: []fleet.Node{
		{Name: "source", Location: "ams1/r1"}, {Name: "target", Location: "ams1/r2"},
	}})
	for _, a := range f.Agents() {
		a.Configure(settings)
		a.Start()
	}
	f.WaitRegistered()
	return f, f.Agent("source"), f.Agent("target")
}

// publish publishes a path and returns the digest and a file with the torrent.
func publish(t *testing.T, f *fleet.Fleet, path string) (digest, torrent string) {
	t.Helper()
	digest = strings.TrimSpace(f.CLI("publish", path, "--quiet"))
	torrent = filepath.Join(t.TempDir(), "a.torrent")
	f.CLI("torrent", digest, "-o", torrent)
	return digest, torrent
}

// Nobody in the fleet needs the content: the client alone makes the agent offer
// it.
func TestClientDownloadsFromAgent(t *testing.T) {
	for _, c := range clients {
		for _, s := range shapes {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				f, publisher, _ := startFleet(t, s.name == "file", admit)
				src, dir := s.make(t, t.TempDir()), t.TempDir()
				_, torrent := publish(t, f, src)
				client := c.start(t, torrent, dir, false)
				client.meet(publisher)
				client.await("complete")
				awaitSame(t, files(t, src), c.place(dir, s.name, filepath.Base(src)))
			})
		}
	}
}

// The publisher has only the manifest left to give: every byte of content comes
// from the client.
func TestClientSeedsToAgent(t *testing.T) {
	for _, c := range clients {
		for _, s := range shapes {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				published, dir := s.make(t, t.TempDir()), t.TempDir()
				want := files(t, published)
				copyFiles(t, want, c.place(dir, s.name, filepath.Base(published)))
				f, publisher, target := startFleet(t, s.name == "file", admit)
				digest, torrent := publish(t, f, published)
				client := c.start(t, torrent, dir, true)
				withdraw(t, publisher, published)

				dials := s.name == "file" // the agent, otherwise the client
				if dials {
					target.Stop()
					target.Configure(map[string]any{"foreign": map[string]any{"peers": []string{client.addr}}})
					target.Restart()
				}
				dest := filepath.Join(f.Root, "content")
				f.CLI("distribute", "content", "--artifact", digest, "--path", dest, "--node", target.Name)
				if !dials {
					awaitPhase(t, f, target, api.PhaseFetching)
					client.meet(target)
				}
				n := awaitPhase(t, f, target, api.PhaseInstalled)
				awaitSame(t, want, target.Path(dest))
				if total := size(want); n.Received.ByLevel[0] != total || received(n) != total {
					t.Errorf("received %+v; want all of %d bytes from beyond the location", n.Received, total)
				}
			})
		}
	}
}

// copyFiles writes files at or below a path.
func copyFiles(t *testing.T, files map[string][]byte, to string) {
	t.Helper()
	for path, data := range files {
		if err := os.MkdirAll(filepath.Dir(to+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// withdraw empties what was published, and waits until its agent knows.
func withdraw(t *testing.T, a *fleet.Agent, path string) {
	t.Helper()
	empty(t, path)
	awaitLog(t, a, "published source was changed in place")
}

func awaitLog(t *testing.T, a *fleet.Agent, text string) {
	t.Helper()
	fleet.Eventually(t, patience, fmt.Sprintf("%s logs %q", a.Name, text), func() error {
		log, err := os.ReadFile(a.Log)
		if err == nil && !strings.Contains(string(log), text) {
			err = fmt.Errorf("it does not say %q", text)
		}
		return err
	})
}

func status(f *fleet.Fleet, a *fleet.Agent) (n api.NodeStatus) {
	var st api.Status
	f.JSON(&st, "status", "content")
	for _, n := range st.Nodes {
		if n.Node == a.Name {
			return n
		}
	}
	return n
}

func awaitPhase(t *testing.T, f *fleet.Fleet, a *fleet.Agent, phase api.Phase) (n api.NodeStatus) {
	t.Helper()
	fleet.Eventually(t, patience, a.Name+" reports "+string(phase), func() error {
		if n = status(f, a); n.Phase != phase {
			return fmt.Errorf("it reports %+v: %w", n, n.Error)
		}
		return nil
	})
	return n
}

// received is all block payload that a node got.
func received(n api.NodeStatus) (sum int64) {
	for _, b := range n.Received.ByLevel {
		sum += b
	}
	return sum
}

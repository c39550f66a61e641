package rivals

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
)

//go:embed libtorrent_peer.py
var libtorrentPeer string

func libtorrentCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, python, append([]string{"-c", libtorrentPeer}, args...)...)
}

// libtorrent is a swarm of libtorrent's.
type libtorrent struct {
	*rival
	torrent string // file
}

func newLibtorrent(r *rival) system.System {
	s := &libtorrent{rival: r}
	r.launch, r.tell = s.launch, s.tell
	return s
}

// Start is that of system.System.
func (s *libtorrent) Start(ctx context.Context) error {
	var err error
	if s.torrent, err = s.makeTorrent(ctx, ""); err != nil {
		return err
	}
	return s.rival.Start(ctx)
}

func (s *libtorrent) launch(ctx context.Context, p *peer) error {
	role := "fetch"
	if p.initial {
		role = "seed"
	}
	cmd := libtorrentCommand(context.Background(), role, s.torrent, p.dir, dataAddress(p).String())
	return p.speak(ctx, cmd, func(context.Context) { p.complete() })
}

func (s *libtorrent) tell(p *peer) error {
	var others []string
	for _, o := range s.inOrder() {
		if o != p {
			others = append(others, dataAddress(o).String())
		}
	}
	return p.say("fetch %s", strings.Join(others, " "))
}

// Fault is that of system.System. A seeder that was started again calls the others:
// they would not call one that was lost for a minute or two.
func (s *libtorrent) Fault(ctx context.Context, f scenario.Fault) error {
	if err := s.rival.Fault(ctx, f); err != nil {
		return err
	}
	if f.Action == scenario.Start && s.peers[f.Node].initial {
		return s.tell(s.peers[f.Node])
	}
	return nil
}

// makeTorrent makes a torrent of the content.
func (r *rival) makeTorrent(ctx context.Context, tracker string) (string, error) {
	// The name of what is at the path that is given becomes the torrent's.
	content := r.Path(r.Scenario.Initial[0])
	path := filepath.Join(r.dir, "content.torrent")
	out, err := libtorrentCommand(ctx, "make", content, fmt.Sprint(int64(r.Scenario.Artifact.Piece)), path, tracker).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make the torrent: %w\n%s", err, out)
	}
	return path, nil
}

// inOrder are the peers, the initial seeders first.
func (r *rival) inOrder() []*peer {
	var all []*peer
	for _, node := range r.Scenario.Initial {
		all = append(all, r.peers[node])
	}
	for _, node := range r.Scenario.Receivers {
		all = append(all, r.peers[node])
	}
	return all
}

func dataAddress(p *peer) netip.AddrPort {
	return netip.AddrPortFrom(p.host.Address, system.DataPort)
}

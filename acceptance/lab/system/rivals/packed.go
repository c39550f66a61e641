package rivals

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// packed are the rivals that move one file: the content, or a tar file of it if it
// is a tree.
type packed struct {
	*rival
	tree bool
	size int64 // of the file
}

// pack gives every initial seeder the file.
func (s *packed) pack(ctx context.Context) error {
	info, err := os.Stat(s.Content)
	if err != nil {
		return err
	}
	s.tree, s.size = info.IsDir(), info.Size()
	if !s.tree {
		return nil
	}
	first := s.file(s.peers[s.Scenario.Initial[0]])
	out, err := exec.CommandContext(ctx, "tar", "-cf", first, "-C", filepath.Dir(s.Content), filepath.Base(s.Content)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pack %s: %w\n%s", s.Content, err, out)
	}
	if info, err = os.Stat(first); err != nil {
		return err
	}
	s.size = info.Size()
	for _, node := range s.Scenario.Initial[1:] {
		if err := os.Symlink(first, s.file(s.peers[node])); err != nil {
			return err
		}
	}
	return nil
}

// file is the one that moves, at a peer.
func (s *packed) file(p *peer) string {
	if s.tree {
		return s.Path(p.node) + ".tar"
	}
	return s.Path(p.node)
}

// received unpacks what a peer has got, if it is packed, after which the peer is
// complete.
func (s *packed) received(life context.Context, p *peer) {
	if !s.tree {
		p.complete()
		return
	}
	c, err := p.start(life, exec.Command("tar", "-xf", s.file(p), "-C", p.dir))
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		p.fail(life, fmt.Errorf("unpack: %w", err))
		return
	}
	p.complete()
}

package rivals

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/unit"
)

// fromOne is a file server that all fetch from.
type fromOne struct{ packed }

func newHTTP(r *rival) system.System {
	s := &fromOne{packed{rival: r}}
	r.launch, r.tell = s.launch, s.tell
	return s
}

// Start is that of system.System.
func (s *fromOne) Start(ctx context.Context) error {
	if err := s.pack(ctx); err != nil {
		return err
	}
	return s.rival.Start(ctx)
}

func (s *fromOne) launch(ctx context.Context, p *peer) error {
	if !p.initial {
		return nil
	}
	return p.speak(ctx, child.Part(serveProgram, s.file(p), dataAddress(p).String()), func(context.Context) {})
}

func (s *fromOne) tell(p *peer) error {
	life := p.alive()
	p.busy.Go(func() { s.fetch(life, p) })
	return nil
}

// curlPause is how long a receiver waits before it tries again.
const curlPause = time.Second

// fetch runs curl until the file is there.
func (s *fromOne) fetch(life context.Context, p *peer) {
	for {
		err := s.curl(life, p)
		if err == nil {
			s.received(life, p)
			return
		}
		select {
		case <-life.Done():
			return
		case <-time.After(curlPause):
		}
	}
}

// curl fetches the rest of the file once.
func (s *fromOne) curl(life context.Context, p *peer) error {
	file := s.file(p)
	if size(file) == s.size {
		return nil // curl could not ask for a rest of 0 bytes
	}
	i := slices.Index(s.Scenario.Receivers, p.node) % len(s.Scenario.Initial)
	url := fmt.Sprintf("http://%s/%s", dataAddress(s.peers[s.Scenario.Initial[i]]), filepath.Base(file))
	c, err := p.start(life, exec.Command("curl", "-sS", "--fail", "--connect-timeout", "5", "-C", "-", "-o", file, url))
	if err != nil {
		return err
	}
	return c.Wait()
}

// State is that of system.System: what curl has written is what it has received.
func (s *fromOne) State(node unit.NodeID) system.State {
	st := s.rival.State(node)
	if p, err := s.peer(node); err == nil && !p.initial {
		st.Counted, st.Received = true, unit.Bytes(size(s.file(p)))
	}
	return st
}

// size is that of a file, 0 if there is none.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

package rivals

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/unit"
)

// peer is a host with its programs.
type peer struct {
	node    unit.NodeID
	host    *network.Host
	initial bool
	dir     string // has the content, or gets it
	log     string // file of what the programs print
	busy    *sync.WaitGroup

	mu    sync.Mutex
	state system.State
	ended amounts // of programs that have ended
	last  amounts // of the one that runs
	said  int     // how often it has said them
	// life ends with a kill: what is said in an earlier one counts no more.
	life context.Context
	die  context.CancelFunc
	all  []*child.Process
	in   io.WriteCloser // of the program that is spoken with
}

// settleTime is how long a program may take to say what it has moved.
const settleTime = 10 * time.Second

// newPeer returns a peer whose programs busy waits for.
func newPeer(node unit.NodeID, host *network.Host, busy *sync.WaitGroup) *peer {
	p := &peer{node: node, host: host, busy: busy}
	p.life, p.die = context.WithCancel(context.Background())
	return p
}

// amounts are what a program says that it has moved since it was started.
type amounts struct{ received, duplicate, sent unit.Bytes }

func (a amounts) plus(b amounts) amounts {
	return amounts{a.received + b.received, a.duplicate + b.duplicate, a.sent + b.sent}
}

// now is how far the peer is.
func (p *peer) now() system.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, a := p.state, p.ended.plus(p.last)
	s.Received, s.Duplicate, s.Sent = a.received, a.duplicate, a.sent
	return s
}

// running are the programs that have not ended.
func (p *peer) running() []*child.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = slices.DeleteFunc(p.all, func(c *child.Process) bool { return !c.Running() })
	return slices.Clone(p.all)
}

// kill kills the peer's programs and waits for their end.
func (p *peer) kill() {
	p.mu.Lock()
	p.die()
	p.life, p.die = context.WithCancel(context.Background())
	p.ended, p.last = p.ended.plus(p.last), amounts{}
	p.state.Failed = nil
	in := p.in
	p.in = nil
	p.mu.Unlock()
	for _, c := range p.running() {
		c.KillGroup()
		<-c.Exited()
	}
	if in != nil {
		in.Close()
	}
}

// alive is the peer's life.
func (p *peer) alive() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// start starts a program on the host, which belongs to a life. What it prints goes
// to the log, but what cmd sends elsewhere.
func (p *peer) start(life context.Context, cmd *exec.Cmd) (*child.Process, error) {
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	c, err := p.host.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.node, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, c)
	if life.Err() != nil { // killed meanwhile, when it was not among them yet
		c.KillGroup()
	}
	return c, nil
}

// speak starts a program that says "ready", and later "amounts RECEIVED DUPLICATE
// SENT" since it was started, and "complete", each in a line. It returns when the
// program is ready. complete is called when it says so.
func (p *peer) speak(ctx context.Context, cmd *exec.Cmd, complete func(life context.Context)) error {
	life := p.alive()
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer inRead.Close()
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		inWrite.Close()
		return err
	}
	defer outWrite.Close()
	cmd.Stdin, cmd.Stdout = inRead, outWrite
	c, err := p.start(life, cmd)
	if err != nil {
		inWrite.Close()
		outRead.Close()
		return err
	}
	p.mu.Lock()
	p.in = inWrite
	p.mu.Unlock()
	ready := make(chan struct{})
	p.busy.Go(func() {
		defer outRead.Close()
		p.listen(life, outRead, sync.OnceFunc(func() { close(ready) }), complete)
	})
	p.busy.Go(func() { p.watch(life, c) })
	select {
	case <-ready:
		return nil
	case <-c.Exited():
		return p.failed(errors.New("it ended before it was ready"))
	case <-ctx.Done():
		return p.failed(fmt.Errorf("it does not get ready: %w", context.Cause(ctx)))
	}
}

// listen reads what a program says until its end.
func (p *peer) listen(life context.Context, out io.Reader, ready func(), complete func(context.Context)) {
	for s := bufio.NewScanner(out); s.Scan(); {
		word, rest, _ := strings.Cut(s.Text(), " ")
		switch word {
		case "ready":
			ready()
		case "amounts":
			var a amounts
			if _, err := fmt.Sscan(rest, &a.received, &a.duplicate, &a.sent); err != nil {
				p.fail(life, fmt.Errorf("it says %q: %w", s.Text(), err))
				continue
			}
			p.count(life, a)
		case "complete":
			complete(life)
		}
	}
}

// watch waits for the end of a program, which is a failure in its life.
func (p *peer) watch(life context.Context, c *child.Process) {
	err := c.Wait()
	if err == nil {
		err = errors.New("it ended")
	}
	p.fail(life, err)
}

// say sends a line to the program that is spoken with.
func (p *peer) say(format string, args ...any) error {
	p.mu.Lock()
	in := p.in
	p.mu.Unlock()
	if in == nil {
		return p.failed(errors.New("it does not run"))
	}
	if _, err := fmt.Fprintf(in, format+"\n", args...); err != nil {
		return p.failed(err)
	}
	return nil
}

// count notes what the program of a life has moved.
func (p *peer) count(life context.Context, a amounts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if life.Err() == nil {
		p.last = a
		p.said++
		p.state.Counted = true
	}
}

// settle waits until a program that counts has said twice more what it has moved: the
// first may have been on its way when the last receiver was complete.
func (p *peer) settle(ctx context.Context) error {
	asked, counts := p.counted()
	return wait.Until(ctx, settleTime, string(p.node)+" says what it has moved", func() error {
		said, _ := p.counted()
		if !counts || said >= asked+2 || len(p.running()) == 0 {
			return nil
		}
		return errors.New("it says nothing")
	})
}

// counted is how often the peer has said what it has moved, and whether it does.
func (p *peer) counted() (said int, counts bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said, p.state.Counted
}

// complete notes that the peer has the content.
func (p *peer) complete() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.state.Complete {
		p.state.Complete, p.state.CompleteAt = true, time.Now()
	}
}

// fail notes that the programs of a life will not go on.
func (p *peer) fail(life context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if life.Err() == nil && p.state.Failed == nil {
		p.state.Failed = p.failed(err)
	}
}

// failed adds the end of what the programs printed to an error.
func (p *peer) failed(err error) error {
	text, _ := os.ReadFile(p.log) // without it there is less to say
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	end := strings.Join(lines[max(0, len(lines)-5):], "\n")
	if end != "" {
		end = "\n" + end
	}
	return fmt.Errorf("%s: %w%s", p.node, err, end)
}

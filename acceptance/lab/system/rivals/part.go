package rivals

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// Parts of this program that run as programs of their own on the hosts, by the
// names that they are called by.
const (
	relayProgram = "rackswarm-lab-relay" // FILE HOST:PORT [HOST:PORT of the host before]
	serveProgram = "rackswarm-lab-serve" // FILE HOST:PORT
)

// RunProgram runs the part of this program that a rival has started, and ends the
// process with it. If the process is no such part, it returns at once. The lab's
// command and every test of rivals call it first.
func RunProgram() { child.Parts{relayProgram: runRelay, serveProgram: runServer}.Run() }

// voice says on standard output what peer.listen understands.
type voice struct {
	received, sent atomic.Int64
	mu             sync.Mutex // one line after another
}

func (v *voice) say(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Println(line)
}

func (v *voice) amounts() {
	v.say(fmt.Sprintf("amounts %d 0 %d", v.received.Load(), v.sent.Load()))
}

// sayAmounts says them regularly, for as long as the process runs.
func (v *voice) sayAmounts() {
	for range time.Tick(200 * time.Millisecond) {
		v.amounts()
	}
}

// obey calls do for each line of standard input, until its end, which is that of
// the one who started the process.
func obey(do func(line string)) error {
	s := bufio.NewScanner(os.Stdin)
	for s.Scan() {
		do(s.Text())
	}
	return s.Err()
}

// counter counts what is written.
type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n.Add(int64(n))
	return n, err
}

var errArguments = errors.New("other arguments than those that the lab gives")

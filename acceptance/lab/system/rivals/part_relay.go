package rivals

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// relay has a part of a file, from its beginning, and sends it on while it grows.
//
// Who connects sends the offset from which it wants the file, 8 bytes, the highest
// first. The answer is the size of the whole file in the same form, once that is
// known, and then the bytes.
type relay struct {
	voice
	file *os.File
	from string // the relay before; empty if the file is whole

	mu    sync.Mutex
	grown sync.Cond // have or size has changed
	have  int64
	size  int64 // unknown: -1
}

const unknown = -1

// relayPause is how long a relay waits before it calls the one before again.
const relayPause = 500 * time.Millisecond

func runRelay(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errArguments
	}
	r, err := newRelay(args[0], args[2:])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", args[1])
	if err != nil {
		return fmt.Errorf("relay %s: %w", args[0], err)
	}
	go r.serve(l)
	go r.sayAmounts()
	r.say("ready")
	fetch := sync.OnceFunc(func() { go r.fetch() })
	return obey(func(string) { fetch() })
}

func newRelay(path string, from []string) (*relay, error) {
	flag := os.O_RDONLY
	if len(from) > 0 {
		flag = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &relay{file: f, have: info.Size(), size: unknown}
	r.grown.L = &r.mu
	if len(from) > 0 {
		r.from = from[0]
	} else {
		r.size = r.have
	}
	return r, nil
}

// fetch gets the rest of the file, however often the connection breaks.
func (r *relay) fetch() {
	for {
		whole, err := r.fetchOnce()
		if whole {
			r.amounts()
			r.say("complete")
			return
		}
		fmt.Fprintf(os.Stderr, "from %s: %v\n", r.from, err)
		time.Sleep(relayPause)
	}
}

func (r *relay) fetchOnce() (whole bool, err error) {
	conn, err := net.DialTimeout("tcp4", r.from, 5*time.Second)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if err := binary.Write(conn, binary.BigEndian, r.have); err != nil {
		return false, err
	}
	var size int64
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return false, err
	}
	r.grow(0, size)
	buf := make([]byte, 256<<10)
	for r.have < size {
		n, err := conn.Read(buf)
		if err != nil {
			return false, err
		}
		if _, err := r.file.WriteAt(buf[:n], r.have); err != nil {
			return false, err
		}
		r.received.Add(int64(n))
		r.grow(n, size)
	}
	return true, nil
}

// grow tells those who wait for it that there is more. Only fetch calls it, and so
// may read have without the lock.
func (r *relay) grow(n int, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.have += int64(n)
	r.size = size
	r.grown.Broadcast()
}

// beyond waits until there is more than offset, or all, and returns how much of
// how much that is.
func (r *relay) beyond(offset int64) (have, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.size == unknown || r.have <= offset && r.have < r.size {
		r.grown.Wait()
	}
	return r.have, r.size
}

func (r *relay) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(relayPause) // it may have run out of files
			continue
		}
		go func() {
			defer conn.Close()
			_ = r.send(conn) // the receiver calls again
		}()
	}
}

// send sends the file from where the receiver wants it, as far as it comes.
func (r *relay) send(conn net.Conn) error {
	var offset int64
	if err := binary.Read(conn, binary.BigEndian, &offset); err != nil {
		return err
	}
	_, size := r.beyond(0)
	if err := binary.Write(conn, binary.BigEndian, size); err != nil {
		return err
	}
	for offset < size {
		have, _ := r.beyond(offset)
		part := io.NewSectionReader(r.file, offset, have-offset)
		n, err := io.Copy(counter{conn, &r.sent}, part)
		offset += n
		if err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Kinds of frames.
const (
	frameStart byte = iota + 1
	frameRequest
	frameBlock
)

// headSize is a frame's kind and the length of what follows.
const headSize = 5

// lane is one end of a TCP connection that works as the agents' do: what is short
// goes ahead of blocks, and blocks go when they were asked for.
type lane struct {
	nc    net.Conn
	block int          // bytes of a block that this end asks for
	got   func([]byte) // a START's body has arrived

	mu      sync.Mutex
	control []byte // frames
	blocks  []int  // their lengths
	wake    chan struct{}
}

func newLane(nc net.Conn, block int, got func([]byte)) *lane {
	return &lane{nc: nc, block: block, got: got, wake: make(chan struct{}, 1)}
}

// run carries frames both ways until the connection is closed.
func (l *lane) run() {
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { l.write(done) })
	l.read()
	close(done)
	l.nc.Close()
	writer.Wait()
}

// start queues a START ahead of all blocks.
func (l *lane) start(body []byte) { l.send(frameStart, body) }

// request asks for a window of blocks; from then on each that arrives is followed by
// a request for another.
func (l *lane) request(window int) {
	for range max(window/l.block, 2) {
		l.ask()
	}
}

func (l *lane) ask() {
	l.send(frameRequest, binary.BigEndian.AppendUint32(nil, uint32(l.block)))
}

func (l *lane) send(kind byte, body []byte) {
	l.mu.Lock()
	l.control = appendHead(l.control, kind, len(body))
	l.control = append(l.control, body...)
	l.mu.Unlock()
	l.rouse()
}

func appendHead(b []byte, kind byte, length int) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind), uint32(length))
}

func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next takes all control frames, or else a block.
func (l *lane) next() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if frames := l.control; len(frames) > 0 {
		l.control = nil
		return frames
	}
	if len(l.blocks) == 0 {
		return nil
	}
	length := l.blocks[0]
	l.blocks = l.blocks[1:]
	return appendHead(make([]byte, 0, headSize+length), frameBlock, length)[:headSize+length]
}

func (l *lane) write(done <-chan struct{}) {
	defer l.nc.Close()
	for {
		select {
		case <-l.wake:
		case <-done:
			return
		}
		for frames := l.next(); frames != nil; frames = l.next() {
			if _, err := l.nc.Write(frames); err != nil {
				return
			}
		}
	}
}

func (l *lane) read() {
	in := bufio.NewReaderSize(l.nc, 64<<10)
	var head [headSize]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		if l.receive(in, head[0], int(binary.BigEndian.Uint32(head[1:]))) != nil {
			return
		}
	}
}

func (l *lane) receive(in *bufio.Reader, kind byte, length int) error {
	if kind == frameBlock {
		_, err := in.Discard(length)
		l.ask()
		return err
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	switch kind {
	case frameStart:
		l.got(body)
	case frameRequest:
		l.mu.Lock()
		l.blocks = append(l.blocks, int(binary.BigEndian.Uint32(body)))
		l.mu.Unlock()
		l.rouse()
	}
	return nil
}

// tune limits what the kernel takes of a connection beyond what it has sent, in bytes.
func tune(nc net.Conn, notSent int) error {
	control, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = control.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSent)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("set TCP_NOTSENT_LOWAT: %w", err)
	}
	return nil
}

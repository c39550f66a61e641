package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// raw is the limit that the others are compared with: one TCP connection, every
// piece hashed with SHA-256 and written, by two processes of this program, with
// no protocol and no decisions.
func raw(p peer) *exec.Cmd {
	role := "raw-receive"
	if p.seeds() {
		role = "raw-send"
	}
	return exec.Command(p.tools.self, "peer", role, "-file", filepath.Join(p.dir, p.content), "-size", strconv.FormatInt(p.size, 10), "-listen", p.listen)
}

// runPeer is this program as an end of a transfer or as the neighbour.
func runPeer(args []string) error {
	role := args[0]
	flags := flag.NewFlagSet(role, flag.ExitOnError)
	file := flags.String("file", "", "what is sent, received or kept in memory")
	size := flags.Int64("size", 0, "of the file, in bytes")
	listen := flags.String("listen", "", "host:port")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch role {
	case "raw-send":
		return rawSend(*file, *listen)
	case "raw-receive":
		return rawReceive(*file, *size)
	case "neighbour":
		return beNeighbour(*file)
	}
	return fmt.Errorf("unknown role %s", role)
}

func rawSend(file, listen string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := net.Listen("tcp4", listen)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("ready", l.Addr())
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, pieceLength)
	for {
		n, err := f.Read(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, os.Stdin) // its end is ours
	return err
}

func rawReceive(file string, size int64) error {
	fmt.Println("ready -")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := rawFetch(strings.TrimPrefix(lines.Text(), "fetch "), file, size); err != nil {
			return err
		}
		fmt.Println("complete")
	}
	return lines.Err()
}

// rawPiece is a piece that was read and has to be hashed and written.
type rawPiece struct {
	buf []byte // its capacity is a whole piece
	at  int64
}

func rawFetch(address, file string, size int64) error {
	c, err := net.Dial("tcp4", address)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	workers := runtime.GOMAXPROCS(0)
	pieces, free := make(chan rawPiece, workers), make(chan []byte, 3*workers)
	for range cap(free) {
		free <- make([]byte, pieceLength)
	}
	errs := make([]error, workers+1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { errs[w] = rawStore(f, pieces, free) })
	}
	errs[workers] = rawRead(c, size, pieces, free)
	close(pieces)
	wg.Wait()
	return errors.Join(append(errs, f.Close())...)
}

// rawRead reads pieces into free buffers.
func rawRead(c net.Conn, size int64, pieces chan<- rawPiece, free <-chan []byte) error {
	for at := int64(0); at < size; at += pieceLength {
		buf := (<-free)[:min(pieceLength, size-at)]
		if _, err := io.ReadFull(c, buf); err != nil {
			return err
		}
		pieces <- rawPiece{buf, at}
	}
	return nil
}

// rawStore hashes and writes pieces until there are no more. It goes on after an
// error, so that nobody waits for a buffer.
func rawStore(f *os.File, pieces <-chan rawPiece, free chan<- []byte) (failed error) {
	for p := range pieces {
		sha256.Sum256(p.buf)
		if _, err := f.WriteAt(p.buf, p.at); err != nil {
			failed = err
		}
		free <- p.buf[:cap(p.buf)]
	}
	return failed
}

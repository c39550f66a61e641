package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// The engine: a table of keys and values. Its data directory has the file format
// with the engine's name and version, table.json with the data, and while a
// server runs a file that it has locked, and the socket that it answers on.
const (
	formatFile = "format"
	formatText = "skeleton table 1\n"
	tableFile  = "table.json"
	lockFile   = "lock"
	socketFile = "socket"
)

// create makes a data directory, which must be absent or empty.
func create(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, tableFile), []byte("{}"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, formatFile), []byte(formatText), 0o600)
}

// server answers clients of the table in dir. Each sends lines "set KEY VALUE",
// "get KEY" and "ping".
type server struct {
	dir   string
	mu    sync.Mutex
	table map[string]string
}

// serve runs a server until SIGTERM.
func serve(dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.FcntlFlock(lock.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		return fmt.Errorf("another server runs in %s: %w", dir, err)
	}
	s := &server{dir: dir}
	if s.table, err = readTable(dir); err != nil {
		return err
	}
	socket := filepath.Join(dir, socketFile)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		listener.Close()
	}()
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go s.talk(client)
	}
}

func (s *server) talk(client net.Conn) {
	defer client.Close()
	lines := bufio.NewScanner(client)
	for lines.Scan() {
		fmt.Fprintln(client, s.answer(strings.SplitN(lines.Text(), " ", 3)))
	}
}

func (s *server) answer(words []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case words[0] == "ping":
		return "pong"
	case words[0] == "get" && len(words) == 2:
		return s.table[words[1]]
	case words[0] == "set" && len(words) == 3:
		s.table[words[1]] = words[2]
		if err := writeTable(s.dir, s.table); err != nil {
			return "error: " + err.Error()
		}
		return "ok"
	}
	return "error: set KEY VALUE, get KEY or ping"
}

func readTable(dir string) (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, tableFile))
	if err != nil {
		return nil, err
	}
	table := map[string]string{}
	if err := json.Unmarshal(data, &table); err != nil {
		return nil, fmt.Errorf("%s: %w", tableFile, err)
	}
	return table, nil
}

// writeTable replaces the table by a rename, so that a copy made meanwhile is
// whole.
func writeTable(dir string, table map[string]string) error {
	data, err := json.Marshal(table)
	if err != nil {
		return err
	}
	next := filepath.Join(dir, tableFile+".next")
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, tableFile))
}

// ask sends one line to the server of dir.
func ask(ctx context.Context, dir, line string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(dir, socketFile))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSuffix(answer, "\n"), err
}

// serverPID returns the number of the server that runs in dir, 0 if none does.
func serverPID(dir string) (int, error) {
	lock, err := os.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	holder := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(lock.Fd(), syscall.F_GETLK, &holder); err != nil {
		return 0, err
	}
	if holder.Type == syscall.F_UNLCK {
		return 0, nil
	}
	return int(holder.Pid), nil
}

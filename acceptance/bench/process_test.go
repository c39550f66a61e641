package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/filler"
)

func TestAProcessThatEndsIsNoticed(t *testing.T) {
	p, err := startSpoken("sh", exec.Command("sh", "-c", "echo oops >&2; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.hear(t.Context(), "ready"); err == nil {
		t.Error("it said ready")
	}
	if err := p.wait(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("it ended with %v", err)
	}
	if p.alive() == nil {
		t.Error("it lives")
	}
	p.end()
}

// A program that hangs and ignores being asked is ended, with what it started.
func TestAHangingRoundEnds(t *testing.T) {
	source := filepath.Join(t.TempDir(), "file")
	if err := filler.File(source, 100, 1); err != nil {
		t.Fatal(err)
	}
	c, err := newFile(source)
	if err != nil {
		t.Fatal(err)
	}
	r := &round{dir: filepath.Join(t.TempDir(), "round"), content: c, receivers: 1}
	late := errors.New("late")
	ctx, cancel := context.WithCancelCause(t.Context())
	var child string
	_, err = r.run(ctx, func(ctx context.Context, r *round) error {
		p, err := r.speak("sh", exec.Command("sh", "-c", "sleep 1000 & echo child $!; wait"))
		if err != nil {
			return err
		}
		if child, err = p.hear(ctx, "child"); err != nil {
			return err
		}
		r.tell()
		cancel(late)
		_, err = p.hear(ctx, "complete")
		return err
	})
	if !errors.Is(err, late) {
		t.Errorf("the round ended with %v", err)
	}
	// It was killed; the kernel may take a moment to end it, and whoever adopted it
	// to notice.
	bounded, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	err = poll(bounded, time.Millisecond, func() (bool, error) {
		state, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(state), ") Z "), nil
	})
	if err != nil {
		t.Errorf("what the program started lives: %v", err)
	}
	if _, err := os.Stat(r.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the round's directory: %v", err)
	}
}

func TestARoundChecksWhatWasReceived(t *testing.T) {
	dir := t.TempDir()
	source, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	for path, seed := range map[string]uint64{source: 1, other: 2} {
		if err := filler.File(path, 100, seed); err != nil {
			t.Fatal(err)
		}
	}
	c, err := newFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for name, received := range map[string][]string{"": {source}, "differs": {other}, "0 of 1": nil} {
		r := &round{dir: filepath.Join(t.TempDir(), "round"), content: c, receivers: 1}
		seen, err := r.run(t.Context(), func(_ context.Context, r *round) error {
			r.tell()
			r.received = received
			return nil
		})
		if name == "" && (err != nil || seen.Bytes != 100) || name != "" && (err == nil || !strings.Contains(err.Error(), name)) {
			t.Errorf("received %v: %+v, %v", received, seen, err)
		}
	}
}

func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{"": "", "\n": "", "a\n": "\na", "a\nb\nc\n": "\nb\nc"} {
		if got := lastLines(text, 2); got != want {
			t.Errorf("the end of %q is %q, want %q", text, got, want)
		}
	}
}

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	if !listening(addr) {
		t.Errorf("nobody listens at %s", addr)
	}
	l.Close()
	if listening(addr) {
		t.Errorf("somebody still listens at %s", addr)
	}
}

func TestSubnetIsFree(t *testing.T) {
	s, err := takeSubnet(7)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", s.host(3).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s.free(7) {
		t.Error("a subnet with a listener counts as free")
	}
}

// Two processes of this program move a file as the limit case does.
func TestRaw(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "file")
	if err := filler.File(source, 5*pieceLength+99, 1); err != nil {
		t.Fatal(err)
	}
	c, err := newFile(source)
	if err != nil {
		t.Fatal(err)
	}
	net, err := takeSubnet(2)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &round{dir: filepath.Join(dir, "round"), content: c, receivers: 1, net: net, tools: &tools{self: self}}
	seen, err := r.run(t.Context(), spoken("raw", raw))
	if err != nil {
		t.Fatal(err)
	}
	if seen.Bytes != c.bytes || seen.Seconds <= 0 || seen.RSS == 0 {
		t.Errorf("the sample is %+v", seen)
	}
}

// TestMain lets this test be the program, as it starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "peer" {
		if err := runPeer(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = syscall.Umask(0o022) // modes are compared
	os.Exit(m.Run())
}

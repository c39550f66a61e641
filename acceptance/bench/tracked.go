package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/tracker"
)

// trackedPeer is one end of a transfer by a program that learns of its peers from
// a tracker and makes a file when it is complete.
type trackedPeer struct {
	peer
	address  netip.AddrPort
	complete string // file
}

// tracked is the carry of such programs.
func tracked(name string, command func(trackedPeer) (*exec.Cmd, error)) carry {
	return func(ctx context.Context, r *round) error {
		var addresses []netip.AddrPort
		for n := range r.receivers + 1 {
			addresses = append(addresses, r.net.host(n))
		}
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		t := tracker.Start(l, addresses, 1, 30*time.Minute)
		defer t.Close()
		marks, err := r.startTracked(name, t.URL(), addresses, command)
		if err != nil {
			return err
		}
		if err := r.waitAnnounced(ctx, t, addresses); err != nil {
			return fmt.Errorf("before the transfer: %w", err)
		}
		r.tell()
		t.Tell()
		return r.waitFiles(ctx, marks)
	}
}

// waitAnnounced waits until every one of the peers has announced itself.
func (r *round) waitAnnounced(ctx context.Context, t *tracker.Tracker, peers []netip.AddrPort) error {
	missing := map[netip.AddrPort]bool{}
	for _, p := range peers {
		missing[p] = true
	}
	died := make(chan error, len(r.processes))
	for _, p := range r.processes {
		go func() {
			<-p.Exited()
			died <- p.failed(errors.New("it ended"))
		}()
	}
	for len(missing) > 0 {
		select {
		case peer := <-t.Calls():
			delete(missing, peer)
		case err := <-died:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// startTracked starts all programs and returns the files that say that they are
// complete.
func (r *round) startTracked(name, announce string, addresses []netip.AddrPort, command func(trackedPeer) (*exec.Cmd, error)) ([]string, error) {
	torrentFile, err := r.writeTorrent(announce)
	if err != nil {
		return nil, err
	}
	var marks []string
	for n, address := range addresses {
		p := trackedPeer{address: address, complete: filepath.Join(r.dir, fmt.Sprintf("%d.complete", n)),
			peer: peer{n: n, dir: filepath.Dir(r.content.path), torrent: torrentFile, tools: r.tools}}
		if !p.seeds() {
			if p.dir, err = r.receiverDir(n); err != nil {
				return nil, err
			}
			r.received = append(r.received, filepath.Join(p.dir, filepath.Base(r.content.path)))
			marks = append(marks, p.complete)
		}
		cmd, err := command(p)
		if err != nil {
			return nil, err
		}
		if _, err := r.start(name, cmd); err != nil {
			return nil, err
		}
	}
	return marks, nil
}

// rtorrent writes a configuration for rTorrent. Buffers and slots are larger than
// its defaults; nothing is encrypted and nobody looks for peers.
func rtorrent(p trackedPeer) (*exec.Cmd, error) {
	text := fmt.Sprintf(`system.daemon.set = true
directory.default.set = %q
network.bind_address.set = %s
network.port_range.set = %d-%[3]d
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = none
trackers.use_udp.set = no
network.send_buffer.size.set = 4M
network.receive_buffer.size.set = 4M
network.max_open_files.set = 600
throttle.max_uploads.set = 100
throttle.max_downloads.set = 100
pieces.hash.on_completion.set = no
pieces.memory.max.set = 2048M
method.set_key = event.download.finished,bench,"execute.nothrow=touch,%[4]s"
load.start = %[5]q
`, p.dir, p.address.Addr(), p.address.Port(), p.complete, p.torrent)
	file := p.complete + ".rc"
	return exec.Command(p.tools.rtorrent, "-n", "-o", "import="+file), os.WriteFile(file, []byte(text), 0o600)
}

// aria2 runs aria2c with what keeps it from waiting: no check of what the seeder
// has, no allocation, as many peers as there are.
func aria2(p trackedPeer) (*exec.Cmd, error) {
	hook := p.complete + ".sh"
	if err := os.WriteFile(hook, []byte("#!/bin/sh\n: >'"+p.complete+"'\n"), 0o700); err != nil { //nolint:gosec // it is run
		return nil, err
	}
	return exec.Command(p.tools.aria2, "--no-conf", "--quiet", "--enable-color=false", "--summary-interval=0",
		"--dir="+p.dir, "--interface="+p.address.Addr().String(), fmt.Sprint("--listen-port=", p.address.Port()),
		"--enable-dht=false", "--enable-dht6=false", "--enable-peer-exchange=false", "--bt-enable-lpd=false",
		"--bt-seed-unverified=true", "--check-integrity=false", "--allow-overwrite=true",
		"--seed-ratio=0.0", "--bt-max-peers=0", "--bt-request-peer-speed-limit=102400M", "--file-allocation=none", "--disk-cache=64M",
		"--on-bt-download-complete="+hook, p.torrent), nil
}

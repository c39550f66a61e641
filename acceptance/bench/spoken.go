package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is one end of a transfer by a program that is spoken with: it says
// "ready HOST:PORT", is told "fetch HOST:PORT,HOST:PORT" unless it seeds, and
// says "complete".
type peer struct {
	n       int    // 0 is the seeder
	dir     string // has the content, or gets it
	content string // base name
	size    int64
	listen  string // host:port
	torrent string // file
	tools   *tools
}

func (p peer) seeds() bool { return p.n == 0 }

// spoken is the carry of such programs. Receivers are told of the seeder and of
// each other.
func spoken(name string, command func(peer) *exec.Cmd) carry {
	return func(ctx context.Context, r *round) error {
		torrentFile, err := r.writeTorrent("")
		if err != nil {
			return err
		}
		var all []*process
		var addresses []string
		for n := range r.receivers + 1 {
			p := peer{n: n, dir: filepath.Dir(r.content.path), content: filepath.Base(r.content.path), size: r.content.bytes,
				listen: r.net.host(n).String(), torrent: torrentFile, tools: r.tools}
			if !p.seeds() {
				if p.dir, err = r.receiverDir(n); err != nil {
					return err
				}
				r.received = append(r.received, filepath.Join(p.dir, p.content))
			}
			proc, err := r.speak(name, command(p))
			if err != nil {
				return err
			}
			all = append(all, proc)
		}
		for _, p := range all {
			address, err := p.hear(ctx, "ready")
			if err != nil {
				return err
			}
			addresses = append(addresses, address)
		}
		return r.fetch(ctx, all[1:], addresses)
	}
}

// fetch tells the receivers where everybody else is, and waits for all.
func (r *round) fetch(ctx context.Context, receivers []*process, addresses []string) error {
	r.tell()
	for i, p := range receivers {
		others := append(append([]string{}, addresses[:i+1]...), addresses[i+2:]...)
		if err := p.say("fetch %s", strings.Join(others, ",")); err != nil {
			return err
		}
	}
	for _, p := range receivers {
		if _, err := p.hear(ctx, "complete"); err != nil {
			return err
		}
	}
	return nil
}

// writeTorrent writes the content's torrent into the round's directory.
func (r *round) writeTorrent(announce string) (string, error) {
	t, err := r.content.torrent()
	if err != nil {
		return "", err
	}
	path := filepath.Join(r.dir, "content.torrent")
	return path, t.write(path, announce)
}

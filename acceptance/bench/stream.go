package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"time"
)

// netcat is that of OpenBSD, by the name that Debian gives it beside others.
const netcat = "nc.openbsd"

// tarNC streams a tree as everybody can: tar | nc on one side, nc | tar on the
// other. Nothing is verified.
func tarNC(ctx context.Context, r *round) error {
	dir, err := r.receiverDir(1)
	if err != nil {
		return err
	}
	addr := r.net.host(0)
	host, port := addr.Addr().String(), fmt.Sprint(addr.Port())
	receiver, err := r.pipe(exec.Command(netcat, "-l", host, port), exec.Command("tar", "-b", "256", "-xpf", "-", "-C", dir))
	if err != nil {
		return err
	}
	err = poll(ctx, time.Millisecond, func() (bool, error) { return listening(addr), receiver[0].alive() })
	if err != nil {
		return err
	}
	r.tell()
	sender, err := r.pipe(exec.Command("tar", "-b", "256", "-cf", "-", "-C", r.content.path, "."), exec.Command(netcat, "-N", host, port))
	if err != nil {
		return err
	}
	for _, p := range append(sender, receiver...) {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	r.received = []string{dir}
	return nil
}

// pipe starts two programs, the first one's output being the second one's input.
func (r *round) pipe(from, to *exec.Cmd) ([]*process, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	defer write.Close()
	from.Stdout, to.Stdin = write, read
	var both []*process
	for _, cmd := range []*exec.Cmd{from, to} {
		p, err := r.start(filepath.Base(cmd.Path), cmd)
		if err != nil {
			return nil, err
		}
		both = append(both, p)
	}
	return both, nil
}

// rsync fetches a tree from a daemon, whole files into an empty directory.
func rsync(ctx context.Context, r *round) error {
	dir, err := r.receiverDir(1)
	if err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("use chroot = no\n[content]\npath = %s\nread only = yes\n", r.content.path)
	if me.Uid == "0" {
		text += "uid = 0\ngid = 0\n"
	}
	file, addr := filepath.Join(r.dir, "rsyncd.conf"), r.net.host(0)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	daemon, err := r.start("rsync-daemon", exec.Command("rsync", "--daemon", "--no-detach", "--config="+file,
		"--address="+addr.Addr().String(), fmt.Sprint("--port=", addr.Port())))
	if err != nil {
		return err
	}
	err = poll(ctx, time.Millisecond, func() (bool, error) { return listening(addr), daemon.alive() })
	if err != nil {
		return err
	}
	r.tell()
	receiver, err := r.start("rsync", exec.Command("rsync", "-a", "--whole-file", fmt.Sprintf("rsync://%s/content/", addr), dir+"/"))
	if err != nil {
		return err
	}
	if err := receiver.wait(ctx); err != nil {
		return err
	}
	r.received = []string{dir}
	return nil
}

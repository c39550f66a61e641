package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/topo"
	rs "github.com/rackswarm/rackswarm/core/unit"
)

// bounds are what the demo's time is compared with. The loopback interface has
// no capacity that could be declared, so they are measured.
type bounds struct {
	files int
	bytes int64
	cores int
	// rate is how fast one connection carries bytes here: TLS 1.3, SHA-256 and
	// writing to a file. cpu is what that costs both ends, in seconds per byte.
	rate rs.Rate
	cpu  float64
	// least is the lower bound: what links of that rate allow, or what that
	// much work for every receiver takes on all cores, whichever is longer. It
	// leaves out the making of files.
	least time.Duration
	// copies is how many plain copies of the tree were made, side by side, and
	// copied is how long one for each node takes at that speed.
	copies int
	copied time.Duration
}

const (
	streamed = 256 << 20 // bytes that are measured
	block    = 1 << 20
)

// measure fills in what the machine can do.
func (d *demo) measure(ctx context.Context) (err error) {
	b := &d.bounds
	b.cores = runtime.NumCPU()
	if b.rate, b.cpu, err = streamRate(d.fleet, filepath.Join(d.dir, "stream")); err != nil {
		return fmt.Errorf("measure a connection over loopback: %w", err)
	}
	links, err := b.linkBound(d.fleet.agents)
	if err != nil {
		return err
	}
	receivers := float64(len(d.fleet.agents) - 1)
	work := time.Duration(receivers * float64(b.bytes) * b.cpu / float64(b.cores) * float64(time.Second))
	b.least = max(links, work)
	b.copied, err = d.copyPlainly(ctx)
	return err
}

// linkBound is the bound of the topology when every host's link carries rate.
func (b *bounds) linkBound(agents []*agent) (time.Duration, error) {
	var hosts []topo.Host
	job := topo.Job{Size: rs.Bytes(b.bytes)}
	for i, a := range agents {
		id := rs.NodeID(a.name)
		hosts = append(hosts, topo.Host{Node: id, Location: rs.Location(a.location), Link: topo.Link{Up: b.rate, Down: b.rate}})
		if i == 0 {
			job.Initial = append(job.Initial, id)
		} else {
			job.Receivers = append(job.Receivers, id)
		}
	}
	tree, err := topo.New(nil, hosts)
	if err != nil {
		return 0, err
	}
	bound, err := tree.Bound(job)
	return bound.Time, err
}

// streamRate sends bytes over one connection and returns how fast they came,
// and the CPU time of both ends per byte; the better of two runs.
func streamRate(f *fleet, file string) (rate rs.Rate, cpu float64, err error) {
	for range 2 {
		r, c, err := stream(f, file)
		if err != nil {
			return 0, 0, err
		}
		if r > rate {
			rate, cpu = r, c
		}
	}
	return rate, cpu, os.Remove(file)
}

func stream(f *fleet, file string) (rs.Rate, float64, error) {
	pair, err := tls.LoadX509KeyPair(f.pki(f.agents[0].name+".crt"), f.pki(f.agents[0].name+".key"))
	if err != nil {
		return 0, 0, err
	}
	l, err := tls.Listen("tcp4", net.JoinHostPort(f.agents[0].address, "0"), &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}})
	if err != nil {
		return 0, 0, err
	}
	defer l.Close()
	before, begin := cpuTime(), time.Now()
	var sent error
	var wg sync.WaitGroup
	wg.Go(func() { sent = sendTo(l.Addr().String()) })
	received := receiveFrom(l, file)
	wg.Wait()
	if err := errors.Join(sent, received); err != nil {
		return 0, 0, err
	}
	took := time.Since(begin).Seconds()
	return rs.Rate(streamed / took), (cpuTime() - before).Seconds() / streamed, nil
}

func sendTo(addr string) error {
	c, err := tls.Dial("tcp4", addr, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}) //nolint:gosec // the other end is this process
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, block)
	for range streamed / block {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
	return c.CloseWrite()
}

func receiveFrom(l net.Listener, file string) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	buf := make([]byte, block)
	for range streamed / block {
		if _, err := io.ReadFull(c, buf); err != nil {
			return err
		}
		sha256.Sum256(buf)
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru) // it has no way to fail
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// copyPlainly copies the tree once for every core, side by side, and syncs the
// filesystem, as agents do; it returns how long a copy for each node takes at
// that speed. One copy stays: the next version is made of it.
func (d *demo) copyPlainly(ctx context.Context) (time.Duration, error) {
	nodes := len(d.fleet.agents)
	d.bounds.copies = min(d.bounds.cores, nodes)
	begin := time.Now()
	errs := make([]error, d.bounds.copies)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = copyTree(ctx, d.source, d.plainCopy(i)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	if err := syncFilesystem(d.dir); err != nil {
		return 0, err
	}
	took := time.Since(begin) * time.Duration(nodes) / time.Duration(len(errs))
	for i := range errs[1:] {
		if err := removeTree(d.plainCopy(i + 1)); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// plainCopy is where the i-th copy goes; 0 becomes the next version.
func (d *demo) plainCopy(i int) string {
	if i == 0 {
		return d.nextSource()
	}
	return filepath.Join(d.dir, fmt.Sprintf("copy-%d", i))
}

func copyTree(ctx context.Context, from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "cp", "-a", "--no-preserve=ownership", "--reflink=never", "-T", from, to)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cp -a %s %s: %w\n%s", from, to, err, text)
	}
	return nil
}

func syncFilesystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

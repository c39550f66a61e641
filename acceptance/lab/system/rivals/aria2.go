package rivals

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/tracker"
	"github.com/rackswarm/rackswarm/core/unit"
)

// aria2 is a swarm of aria2's.
type aria2 struct {
	*rival
	tracker *tracker.Tracker
	torrent string // file
}

func newAria2(r *rival) system.System {
	s := &aria2{rival: r}
	r.launch = s.launch
	r.tell = func(*peer) error { return nil } // the tracker does
	return s
}

// Start is that of system.System.
func (s *aria2) Start(ctx context.Context) error {
	if err := s.startTracker(); err != nil {
		return err
	}
	var err error
	if s.torrent, err = s.makeTorrent(ctx, s.tracker.URL()); err != nil {
		return err
	}
	if err := s.rival.Start(ctx); err != nil {
		return err
	}
	return s.waitAnnounced(ctx)
}

// trackerInterval is how long an aria2 takes at most to call again a peer that was
// started again: it does not by itself.
const trackerInterval = 5 * time.Second

func (s *aria2) startTracker() error {
	var peers []netip.AddrPort
	for _, p := range s.inOrder() {
		peers = append(peers, dataAddress(p))
	}
	l, err := s.Network.Store().Listen(0)
	if err != nil {
		return fmt.Errorf("tracker of aria2: %w", err)
	}
	s.tracker = tracker.Start(l, peers, len(s.Scenario.Initial), trackerInterval)
	return nil
}

// waitAnnounced waits until everybody who was started has asked the tracker, and
// so is ready.
func (s *aria2) waitAnnounced(ctx context.Context) error {
	missing := map[netip.AddrPort]*peer{}
	for _, p := range s.inOrder() {
		if len(p.running()) > 0 {
			missing[dataAddress(p)] = p
		}
	}
	look := time.NewTicker(aria2Interval)
	defer look.Stop()
	for len(missing) > 0 {
		select {
		case address := <-s.tracker.Calls():
			delete(missing, address)
		case <-look.C:
			for _, p := range missing {
				if err := p.now().Failed; err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return fmt.Errorf("aria2 does not ask its tracker: %w", context.Cause(ctx))
		}
	}
	return nil
}

// Distribute is that of system.System.
func (s *aria2) Distribute(ctx context.Context) error {
	s.tracker.Tell()
	return s.rival.Distribute(ctx)
}

// Close is that of system.System.
func (s *aria2) Close() error {
	err := s.rival.Close()
	if s.tracker != nil {
		s.tracker.Close()
	}
	return err
}

func (s *aria2) launch(_ context.Context, p *peer) error {
	cmd := exec.Command("aria2c", "--no-conf", "--quiet", "--enable-color=false", "--dir="+p.dir,
		fmt.Sprint("--listen-port=", system.DataPort), "--enable-rpc", fmt.Sprint("--rpc-listen-port=", rpcPort),
		"--enable-dht=false", "--enable-dht6=false", "--enable-peer-exchange=false", "--bt-enable-lpd=false", // isolated
		"--seed-ratio=0.0",                            // seeds until it is ended
		"--file-allocation=none",                      // or all would first fill their disk with zeros
		"--allow-overwrite=true",                      // goes on with what is there
		"--check-integrity="+fmt.Sprint(!p.initial),   // after it was killed
		"--bt-seed-unverified="+fmt.Sprint(p.initial), // is not to look at what it was given
		s.torrent)
	life := p.alive()
	c, err := p.start(life, cmd)
	if err != nil {
		return err
	}
	p.busy.Go(func() { p.watch(life, c) })
	p.busy.Go(func() { followAria2(life, p) })
	return nil
}

// aria2Interval is how often aria2 is asked how far it is.
const aria2Interval = 200 * time.Millisecond

// followAria2 asks an aria2 how far it is, until the end of its life.
func followAria2(life context.Context, p *peer) {
	tick := time.NewTicker(aria2Interval)
	defer tick.Stop()
	var first *download
	before := p.now()
	for {
		select {
		case <-life.Done():
			return
		case <-tick.C:
		}
		d, err := askAria2(life, p)
		if err != nil {
			continue // it comes up, or has ended, which is noticed elsewhere
		}
		if first == nil {
			first = &d
		}
		// It counts what it has, and what it has sent in all its lives.
		p.count(life, amounts{received: max(0, d.Completed-before.Received), sent: d.Uploaded - first.Uploaded})
		if !p.initial && d.Seeder {
			p.complete()
		}
	}
}

// errIdle says that an aria2 has nothing to do, not yet.
var errIdle = errors.New("nothing is active")

// download is what aria2 tells of the torrent.
type download struct {
	Completed unit.Bytes `json:"completedLength,string"`
	Uploaded  unit.Bytes `json:"uploadLength,string"`
	Seeder    bool       `json:"seeder,string"`
}

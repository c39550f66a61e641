package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"

	"github.com/anacrolix/torrent/bencode"
)

// tracker tells the programs that are told of peers by trackers only. It answers
// a receiver when the round's clock runs, not before.
type tracker struct {
	server  *http.Server
	address string
	told    chan struct{}    // closed: receivers are answered
	calls   chan uint16      // ports that announced themselves
	peers   []netip.AddrPort // all, the seeder first
	serving sync.WaitGroup
}

// announcement is a tracker's answer.
type announcement struct {
	Interval int    `bencode:"interval"` // seconds
	Peers    string `bencode:"peers"`    // compact: 4 bytes of address, 2 of port each
}

func startTracker(peers []netip.AddrPort) (*tracker, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tracker{address: l.Addr().String(), told: make(chan struct{}), calls: make(chan uint16, 1000), peers: peers}
	t.server = &http.Server{Handler: http.HandlerFunc(t.announce)} //nolint:gosec // it serves this machine's own programs
	t.serving.Go(func() { _ = t.server.Serve(l) })                 // it returns when it is closed
	return t, nil
}

func (t *tracker) url() string { return "http://" + t.address + "/announce" }

func (t *tracker) close() {
	t.server.Close()
	t.serving.Wait()
}

func (t *tracker) announce(w http.ResponseWriter, q *http.Request) {
	port, err := strconv.ParseUint(q.URL.Query().Get("port"), 10, 16)
	if err != nil {
		http.Error(w, "no port", http.StatusBadRequest)
		return
	}
	select {
	case t.calls <- uint16(port):
	default: // nobody counts any more
	}
	answer := announcement{Interval: 1800}
	if uint16(port) != t.peers[0].Port() {
		select {
		case <-t.told:
		case <-q.Context().Done():
			return
		}
		answer.Peers = compact(t.peers, uint16(port))
	}
	text, err := bencode.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // the program notices
}

// compact encodes all peers but the one with the port.
func compact(peers []netip.AddrPort, except uint16) string {
	var text []byte
	for _, p := range peers {
		if p.Port() != except {
			text = append(text, p.Addr().AsSlice()...)
			text = append(text, byte(p.Port()>>8), byte(p.Port()))
		}
	}
	return string(text)
}

// waitAnnounced waits until every one of the peers has announced itself.
func (t *tracker) waitAnnounced(ctx context.Context, r *round) error {
	missing := map[uint16]bool{}
	for _, p := range t.peers {
		missing[p.Port()] = true
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
		case port := <-t.calls:
			delete(missing, port)
		case err := <-died:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// tell answers the receivers, now and from now on.
func (t *tracker) tell() { close(t.told) }

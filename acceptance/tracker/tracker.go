// Package tracker is a BitTorrent tracker for programs that are told of peers by
// trackers only. It knows all peers beforehand and tells of them when it is told
// to.
package tracker

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// Tracker tells receivers of all other peers, and seeders of nobody: they are
// called. Until Tell, receivers wait for their answer.
type Tracker struct {
	server  *http.Server
	address string
	peers   []netip.AddrPort
	seeders int
	again   time.Duration       // between two announcements of a peer
	told    chan struct{}       // closed: receivers are answered
	calls   chan netip.AddrPort // peers that announced themselves
	serving sync.WaitGroup
}

// announcement is a tracker's answer.
type announcement struct {
	Interval int    `bencode:"interval"` // seconds
	Peers    string `bencode:"peers"`    // compact: 4 bytes of address, 2 of port each
}

// Start serves on l, which Close closes. The seeders are the first of the peers,
// which differ in their ports or else in their IPv4 addresses. again is the time
// after which peers are to ask again.
func Start(l net.Listener, peers []netip.AddrPort, seeders int, again time.Duration) *Tracker {
	t := &Tracker{address: l.Addr().String(), peers: peers, seeders: seeders, again: again,
		told: make(chan struct{}), calls: make(chan netip.AddrPort, 1000)}
	t.server = &http.Server{Handler: http.HandlerFunc(t.announce)} //nolint:gosec // it serves programs of its own side
	t.serving.Go(func() { _ = t.server.Serve(l) })                 // it returns when it is closed
	return t
}

// URL is where the tracker is announced to.
func (t *Tracker) URL() string { return "http://" + t.address + "/announce" }

// Calls are the peers that announce themselves, again and again. Those that are
// not read in time are lost.
func (t *Tracker) Calls() <-chan netip.AddrPort { return t.calls }

// Tell answers the receivers, now and from now on. It is called once.
func (t *Tracker) Tell() { close(t.told) }

// Close ends the tracker.
func (t *Tracker) Close() {
	t.server.Close()
	t.serving.Wait()
}

func (t *Tracker) announce(w http.ResponseWriter, q *http.Request) {
	i, err := t.caller(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case t.calls <- t.peers[i]:
	default: // nobody counts any more
	}
	answer := announcement{Interval: int(t.again / time.Second)}
	if i >= t.seeders {
		select {
		case <-t.told:
		case <-q.Context().Done():
			return
		}
		answer.Peers = t.others(i)
	}
	text, err := bencode.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // the program notices
}

// caller is the index of the peer that asks. An address of the caller is looked
// at only if several peers have its port: with a port each, all may ask from one
// address.
func (t *Tracker) caller(q *http.Request) (int, error) {
	port, err := strconv.ParseUint(q.URL.Query().Get("port"), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("announcement without a port: %w", err)
	}
	remote, err := netip.ParseAddrPort(q.RemoteAddr)
	if err != nil {
		return 0, err
	}
	same := func(p netip.AddrPort) bool { return p.Port() == uint16(port) }
	i := slices.IndexFunc(t.peers, same)
	if i >= 0 && slices.ContainsFunc(t.peers[i+1:], same) {
		i = slices.Index(t.peers, netip.AddrPortFrom(remote.Addr().Unmap(), uint16(port)))
	}
	if i < 0 {
		return 0, fmt.Errorf("nobody here is %s with port %d", remote.Addr(), port)
	}
	return i, nil
}

// others encodes all peers but one.
func (t *Tracker) others(except int) string {
	var text []byte
	for i, p := range t.peers {
		if i != except {
			text = append(text, p.Addr().AsSlice()...)
			text = append(text, byte(p.Port()>>8), byte(p.Port()))
		}
	}
	return string(text)
}

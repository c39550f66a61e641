package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

var someHandshake = Handshake{
	Extensions: Extensions(),
	InfoHash:   [20]byte{1, 2, 3, 19: 4},
	PeerID:     [20]byte{0: '-', 1: 'R', 2: 'S', 19: 9},
}

func TestHandshakeComesBack(t *testing.T) {
	b := someHandshake.Append(nil)
	if len(b) != HandshakeSize {
		t.Fatalf("%d bytes", len(b))
	}
	got, err := ParseHandshake([HandshakeSize]byte(b))
	if err != nil || got != someHandshake {
		t.Errorf("got %v, %v", got, err)
	}
	b[3] ^= 1
	if _, err := ParseHandshake([HandshakeSize]byte(b)); !errors.Is(err, ErrMalformed) {
		t.Errorf("wrong protocol name: %v", err)
	}
}

func TestHandshakeWithAnacrolix(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	type result struct {
		r   pp.HandshakeResult
		err error
	}
	done := make(chan result, 1)
	hash := metainfo.Hash(someHandshake.InfoHash)
	go func() {
		defer theirs.Close()
		r, err := pp.Handshake(context.Background(), theirs, &hash, [20]byte{7}, pp.NewPeerExtensionBytes(pp.ExtensionBitFast))
		done <- result{r, err}
	}()
	var b [HandshakeSize]byte
	if _, err := io.ReadFull(ours, b[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Write(someHandshake.Append(nil)); err != nil {
		t.Fatal(err)
	}
	got, err := ParseHandshake(b)
	if err != nil || got.InfoHash != hash || got.PeerID != [20]byte{7} || !got.Extensions.SupportsFast() || got.Extensions.SupportsExtended() {
		t.Errorf("we read %+v, %v", got, err)
	}
	seen := <-done
	if seen.err != nil || seen.r.Hash != hash || seen.r.PeerID != someHandshake.PeerID ||
		!seen.r.SupportsExtended() || !seen.r.SupportsFast() || !seen.r.GetBit(pp.ExtensionBitV2Upgrade) {
		t.Errorf("they read %+v, %v", seen.r, seen.err)
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(someHandshake.Append(nil))
	f.Add(make([]byte, HandshakeSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != HandshakeSize {
			return
		}
		h, err := ParseHandshake([HandshakeSize]byte(b))
		if err == nil && string(h.Append(nil)) != string(b) {
			t.Fatalf("%x became %x", b, h.Append(nil))
		}
	})
}

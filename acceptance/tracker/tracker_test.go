package tracker

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// Peers with a port each, as beside each other on loopback, and peers with an
// address each.
func TestReceiversAreToldOfTheOthers(t *testing.T) {
	for name, peers := range map[string][]netip.AddrPort{
		"ports":     {netip.MustParseAddrPort("127.1.1.1:1"), netip.MustParseAddrPort("127.1.1.2:2"), netip.MustParseAddrPort("127.1.1.3:3")},
		"addresses": {netip.MustParseAddrPort("127.0.0.3:9"), netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.2:9")},
	} {
		t.Run(name, func(t *testing.T) {
			tr := start(t, peers)
			tr.Tell()
			p := peers[1].Port()
			got := answer(t, tr, "?port="+string(rune('0'+p)))
			want := "\x7f\x01\x01\x01\x00\x01" + "\x7f\x01\x01\x03\x00\x03"
			if name == "addresses" {
				want = "\x7f\x00\x00\x03\x00\x09" + "\x7f\x00\x00\x02\x00\x09"
			}
			if got != want {
				t.Errorf("told %q, not %q", got, want)
			}
			if called := <-tr.Calls(); called != peers[1] {
				t.Errorf("%s announced itself", called)
			}
		})
	}
}

func TestASeederIsToldOfNobodyAtOnce(t *testing.T) {
	tr := start(t, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")})
	if got := answer(t, tr, "?port=1"); got != "" {
		t.Errorf("told %q", got)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	tr := start(t, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.7:1"), netip.MustParseAddrPort("127.0.0.8:1")})
	for query, want := range map[string]string{"": "without a port", "?port=2": "nobody", "?port=1": "nobody"} {
		status, text := get(t, tr, query)
		if status != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%q: %d %s", query, status, text)
		}
	}
}

func start(t *testing.T, peers []netip.AddrPort) *Tracker {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := Start(l, peers, 1, 7*time.Second)
	t.Cleanup(tr.Close)
	return tr
}

func answer(t *testing.T, tr *Tracker, query string) string {
	status, text := get(t, tr, query)
	var a announcement
	if err := bencode.Unmarshal([]byte(text), &a); status != http.StatusOK || err != nil || a.Interval != 7 {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	return a.Peers
}

func get(t *testing.T, tr *Tracker, query string) (status int, text string) {
	resp, err := http.Get(tr.URL() + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// Command anacrolix-peer moves one torrent with an unmodified anacrolix Client.
// Whoever starts it speaks with it in lines:
//
//	it prints     ready HOST:PORT
//	it is told    fetch HOST:PORT,HOST:PORT    (a seeder is told nothing)
//	it prints     complete
//
// It ends when its standard input does.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/anacrolix/generics"
	"github.com/anacrolix/log"
	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/peer_protocol"
	infohash_v2 "github.com/anacrolix/torrent/types/infohash-v2"
)

type options struct {
	torrent string
	dir     string
	listen  string
	chunk   uint
	hashers int
	plain   bool
	seed    bool
}

func main() {
	var o options
	flag.StringVar(&o.torrent, "torrent", "", "the .torrent file")
	flag.StringVar(&o.dir, "dir", ".", "the directory that has the content, or gets it")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "host:port")
	flag.UintVar(&o.chunk, "chunk", 0, "bytes of a request (default: the Client's)")
	flag.IntVar(&o.hashers, "hashers", 0, "goroutines that verify (default: the Client's)")
	flag.BoolVar(&o.plain, "plain", false, "no obfuscation of the connections' headers")
	flag.BoolVar(&o.seed, "seed", false, "the content is there: be ready when all of it counts")
	flag.Parse()
	if err := run(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "anacrolix-peer:", err)
		os.Exit(1)
	}
}

func run(o options, in io.Reader, out io.Writer) error {
	client, err := torrent.NewClient(o.config())
	if err != nil {
		return fmt.Errorf("start the client: %w", err)
	}
	defer client.Close()
	t, err := o.add(client)
	if err != nil {
		return err
	}
	if o.seed {
		<-t.Complete().On()
	}
	addr, err := listenAddr(client)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready", addr)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		addresses, ok := strings.CutPrefix(lines.Text(), "fetch ")
		if !ok {
			return fmt.Errorf("not understood: %q", lines.Text())
		}
		if err := fetch(t, strings.Split(addresses, ",")); err != nil {
			return err
		}
		go func() {
			<-t.Complete().On()
			fmt.Fprintln(out, "complete")
		}()
	}
	return lines.Err()
}

// config is the Client's default but for what would leave this machine and for
// what the options ask.
func (o options) config() *torrent.ClientConfig {
	c := torrent.NewDefaultClientConfig()
	c.SetListenAddr(o.listen)
	c.DataDir = o.dir
	c.NoDHT, c.DisableTrackers, c.NoDefaultPortForwarding = true, true, true
	c.DisableUTP, c.DisableIPv6, c.DisableWebtorrent, c.DisableWebseeds = true, true, true, true
	c.Seed = true
	c.Logger = log.Default.FilterLevel(log.Error)
	c.Slogger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	// At the default of 1 MiB a seeder of this version stops for good when a peer
	// asks for more at a time: it waits for memory that only answers to other
	// requests give back. This much is what all requests can take that it admits.
	c.MaxAllocPeerRequestDataPerConn = admittedRequests * int(max(o.chunk, defaultChunk))
	// In this version what a connection's writer is to do gets lost if it comes up
	// between its last look and its going to sleep, on a busy machine above all, and
	// nothing wakes it for the same again: a downloader stops asking although all it
	// asked for is there. It looks again when it is time for a KeepAlive, by default
	// after a minute.
	c.KeepAliveTimeout = time.Second
	if o.hashers > 0 {
		c.PieceHashersPerTorrent = o.hashers
	}
	if o.plain {
		c.HeaderObfuscationPolicy = torrent.HeaderObfuscationPolicy{RequirePreferred: true}
	}
	return c
}

// What the Client admits from a peer: requests, and their bytes by default.
const (
	admittedRequests = 1024
	defaultChunk     = 16 << 10
)

func (o options) add(client *torrent.Client) (*torrent.Torrent, error) {
	meta, err := metainfo.LoadFromFile(o.torrent)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.torrent, err)
	}
	spec, err := torrent.TorrentSpecFromMetaInfoErr(meta)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.torrent, err)
	}
	if spec.InfoHash.IsZero() {
		// The Client files a torrent of version 2 alone under no hash at all and
		// crashes over that some seconds later, unless it is added by its truncated
		// hash, as from a magnet link.
		spec.InfoHash, spec.InfoHashV2 = *spec.InfoHashV2.Value.ToShort(), generics.None[infohash_v2.T]()
	}
	spec.ChunkSize = peer_protocol.Integer(o.chunk)
	t, _, err := client.AddTorrentSpec(spec)
	if err != nil {
		return nil, fmt.Errorf("add %s: %w", o.torrent, err)
	}
	<-t.GotInfo()
	return t, nil
}

func fetch(t *torrent.Torrent, addresses []string) error {
	var peers []torrent.PeerInfo
	for _, a := range addresses {
		addr, err := netip.ParseAddrPort(a)
		if err != nil {
			return fmt.Errorf("peer %q: %w", a, err)
		}
		peers = append(peers, torrent.PeerInfo{Addr: addr, Source: torrent.PeerSourceDirect, Trusted: true})
	}
	t.DownloadAll()
	t.AddPeers(peers)
	return nil
}

func listenAddr(client *torrent.Client) (string, error) {
	for _, a := range client.ListenAddrs() {
		if a.Network() == "tcp" {
			return a.String(), nil
		}
	}
	return "", errors.New("the client listens nowhere")
}

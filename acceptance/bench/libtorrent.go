package main

import (
	_ "embed"
	"os/exec"
)

//go:embed libtorrent_peer.py
var libtorrentPeer string

func libtorrent(p peer) *exec.Cmd {
	role := "fetch"
	if p.seeds() {
		role = "seed"
	}
	return exec.Command(p.tools.python, "-c", libtorrentPeer, p.torrent, p.dir, p.listen, role)
}

package main

import (
	"os"
	"os/exec"
)

// anacrolixTuned is the Client as it was measured fastest: blocks of 128 KiB,
// classic file storage, four hashers, no obfuscation of headers.
func anacrolixTuned(p peer) *exec.Cmd {
	cmd := anacrolixDefaults(p)
	cmd.Args = append(cmd.Args, "-chunk", "131072", "-hashers", "4", "-plain")
	cmd.Env = append(os.Environ(), "TORRENT_STORAGE_DEFAULT_FILE_IO=classic")
	return cmd
}

func anacrolixDefaults(p peer) *exec.Cmd {
	cmd := exec.Command(p.tools.anacrolix, "-torrent", p.torrent, "-dir", p.dir, "-listen", p.listen)
	if p.seeds() {
		cmd.Args = append(cmd.Args, "-seed")
	}
	return cmd
}

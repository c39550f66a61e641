// Command anacrolix-peer seeds or downloads one torrent with an unmodified
// anacrolix Client.
package main

import (
	_ "github.com/anacrolix/torrent"
)

func main() {}

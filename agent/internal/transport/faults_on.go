//go:build faults

package transport

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// leaf is the length of a leaf of BEP 52 in bytes: the least that can be proven
// wrong by itself.
const leaf = 16 << 10

// struck is set when the process has got SIGUSR2.
var struck atomic.Bool

func init() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	go func() {
		for range signals {
			struck.Store(true)
		}
	}()
}

// corrupt makes every leaf of a block wrong once the process was struck. What is on
// disk stays right, so the node insists that it is.
func corrupt(payload []byte) {
	if !struck.Load() {
		return
	}
	for i := 0; i < len(payload); i += leaf {
		payload[i] ^= 0xff
	}
}

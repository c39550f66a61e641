package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
)

// Unsupported says why there can be no network on this machine and what would mend
// it, nil if there can.
func Unsupported() error { return unsupported() }

var unsupported = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errors.New("networks are made of namespaces, which needs root: run this as root")
	}
	for name, of := range map[string]string{"ip": "iproute2", "tc": "iproute2", "bridge": "iproute2", "nft": "nftables"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("networks need the program %s: apt-get install %s", name, of)
		}
	}
	return nil
})

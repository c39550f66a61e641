package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeConfig makes the agent's directories and configuration file.
func (f *fleet) writeConfig(a *agent) error {
	if err := os.MkdirAll(a.root, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf(`node: {name: %s, location: %s}
state_dir: %s
roots: [%s]
data: {listen: "%s:%d"}
api: {socket: %s, listen: "%s:%d"}
tls: {ca: %s, cert: %s, key: %s}
trust: [%s]
check_interval: 2s
impact: {cpu_idle: 0%%, io_idle: 0%%}
%s`, a.name, a.location, filepath.Join(a.dir, "state"), f.root(), a.address, dataPort,
		filepath.Join(a.dir, "agent.sock"), a.address, apiPort,
		f.pki("ca.crt"), f.pki(a.name+".crt"), f.pki(a.name+".key"), f.pki("publisher.pub"), f.storeConfig(a))
	return os.WriteFile(filepath.Join(a.dir, "agent.yaml"), []byte(text), 0o600)
}

// storeConfig is what differs between the first agent and the others.
func (f *fleet) storeConfig(a *agent) string {
	address := fmt.Sprintf("%s:%d", f.agents[0].address, storePort)
	if a == f.agents[0] {
		return fmt.Sprintf("store: {embedded: true, listen: \"%s\", tls: true}\npublish: {key: %s}\n", address, f.pki("publisher.key"))
	}
	return fmt.Sprintf("store: {url: \"rediss://%s\", tls: true}\n", address)
}

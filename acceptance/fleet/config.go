package fleet

import (
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// writeConfig writes the agent's configuration file.
func (a *Agent) writeConfig() {
	a.fleet.t.Helper()
	text, err := yaml.Marshal(a.settings())
	if err != nil {
		a.fleet.t.Fatal(err)
	}
	if err := os.WriteFile(a.Config, text, 0o600); err != nil {
		a.fleet.t.Fatal(err)
	}
}

type section map[string]any

func (a *Agent) settings() section {
	f := a.fleet
	pki := func(name string) string { return filepath.Join(f.PKI, name) }
	s := section{
		"node":           section{"name": a.Name, "location": a.node.Location, "labels": a.node.Labels},
		"state_dir":      a.StateDir,
		"roots":          []string{f.Root},
		"data":           section{"listen": a.DataAddr},
		"api":            section{"socket": a.Socket},
		"tls":            section{"enabled": false},
		"store":          a.storeSettings(),
		"trust":          []string{pki("publisher.pub")},
		"check_interval": f.opts.CheckInterval.String(),
		"impact":         section{"cpu_idle": "0%", "io_idle": "0%"}, // a busy machine fails no test
	}
	if !f.opts.Plain {
		s["tls"] = section{"enabled": true, "ca": pki("ca.crt"), "cert": pki(a.Name + ".crt"), "key": pki(a.Name + ".key")}
		s["api"] = section{"socket": a.Socket, "listen": a.APIAddr}
	}
	if !a.node.NoPublisherKey {
		s["publish"] = section{"key": pki("publisher.key")}
	}
	return s
}

// storeSettings are those of Redis, or of the store in the first agent.
func (a *Agent) storeSettings() section {
	f := a.fleet
	if f.Redis != nil {
		return section{"url": f.Redis.URL}
	}
	address := f.net.address(1, storePort)
	if a.index == 0 {
		return section{"embedded": true, "listen": address, "tls": !f.opts.Plain}
	}
	if f.opts.Plain {
		return section{"url": "redis://" + address}
	}
	return section{"url": "rediss://" + address, "tls": true}
}

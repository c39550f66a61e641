package hosts

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/api"
)

// Ports of every agent.
const (
	dataPort  = 7420
	storePort = 7421
	apiPort   = 7422
)

// Agents describe the fleet of a set. The program "rackswarm" has to be among
// the set's Programs.
type Agents struct {
	// On are the hosts that run an agent, named as they are. The first one holds
	// the store.
	On []*Host
	// Locations by host; "dc/rack" for those that are not named.
	Locations map[string]string
	// Settings of a host's agent.yaml, joined with those that a set needs. A nil
	// value takes a setting away: {"publish": nil} leaves the host without the
	// publisher's key.
	Settings map[string]map[string]any
}

// StartAgents makes certificates and configurations, starts the agents and
// returns when all of them are registered.
func (s *Set) StartAgents(ctx context.Context, a Agents) error {
	if err := s.makePKI(ctx, a.On); err != nil {
		return err
	}
	for _, h := range a.On {
		if err := s.configure(h, a); err != nil {
			return err
		}
		if _, err := h.StartAgent(); err != nil {
			return err
		}
	}
	return s.WaitRegistered(ctx, a.On...)
}

// StartAgent starts the agent of a host that StartAgents configured: again, after
// it was stopped.
func (h *Host) StartAgent() (*Service, error) {
	return h.Start("agent", "rackswarm", "agent", "--config", "/etc/rackswarm/agent.yaml")
}

// WaitRegistered waits until the agents of hosts are alive to all of them.
func (s *Set) WaitRegistered(ctx context.Context, on ...*Host) error {
	for _, h := range on {
		err := wait.Until(ctx, patience, h.Name+" sees all agents", func() error { return h.sees(ctx, on) })
		if err != nil {
			log, _ := os.ReadFile(h.Log("agent"))
			return fmt.Errorf("agents are not registered: %w\n%s", err, log)
		}
	}
	return nil
}

func (h *Host) sees(ctx context.Context, others []*Host) error {
	text, err := h.Run(ctx, "rackswarm nodes --json")
	if err != nil {
		return err
	}
	var list api.NodeList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("rackswarm nodes --json: %w", err)
	}
	alive := map[string]bool{}
	for _, n := range list.Nodes {
		alive[n.Name] = n.Alive
	}
	for _, o := range others {
		if !alive[o.Name] {
			return fmt.Errorf("%s does not see %s", h.Name, o.Name)
		}
	}
	return nil
}

func (s *Set) pki(name string) string { return filepath.Join(s.Dir, "pki", name) }

func (s *Set) makePKI(ctx context.Context, on []*Host) error {
	script := "cd " + s.Dir + "\nrackswarm pki init --dir pki\nrackswarm pki issue --dir pki --role operator --name operator\n"
	for _, h := range on {
		script += "rackswarm pki issue --dir pki --role node --name " + h.Name + "\n"
	}
	_, err := on[0].Run(ctx, script)
	return err
}

// section is one of a configuration: settings and further sections, by name.
type section = map[string]any

func (s *Set) configure(h *Host, a Agents) error {
	location := a.Locations[h.Name]
	if location == "" {
		location = "dc/rack"
	}
	all := section{
		"node":           section{"name": h.Name, "location": location},
		"roots":          []string{"/srv", "/opt"},
		"data":           section{"listen": fmt.Sprintf("%s:%d", h.Address, dataPort)},
		"api":            section{"listen": fmt.Sprintf("%s:%d", h.Address, apiPort)},
		"tls":            section{"ca": s.pki("ca.crt"), "cert": s.pki(h.Name + ".crt"), "key": s.pki(h.Name + ".key")},
		"trust":          []string{s.pki("publisher.pub")},
		"publish":        section{"key": s.pki("publisher.key")},
		"check_interval": "1s",
		"impact":         section{"cpu_idle": "0%", "io_idle": "0%"}, // the hosts share a machine, which has nothing else to do
	}
	store := fmt.Sprintf("%s:%d", a.On[0].Address, storePort)
	if h == a.On[0] {
		all["store"] = section{"embedded": true, "listen": store, "tls": true}
	} else {
		all["store"] = section{"url": "rediss://" + store, "tls": true}
	}
	join(all, a.Settings[h.Name])
	text, err := yaml.Marshal(all)
	if err != nil {
		return err
	}
	return h.Write("/etc/rackswarm/agent.yaml", string(text), 0o600)
}

// join puts settings into others, section by section.
func join(into, from section) {
	for key, value := range from {
		below, isSection := value.(section)
		old, wasSection := into[key].(section)
		switch {
		case value == nil:
			delete(into, key)
		case isSection && wasSection:
			join(old, below)
		default:
			into[key] = value
		}
	}
}

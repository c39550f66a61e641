package hosts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/wait"
)

// StartSSHD runs Debian's sshd on hosts. Afterwards root on any host of the set
// reaches root, and every user that AddUser made, on these by their names.
func (s *Set) StartSSHD(ctx context.Context, on ...*Host) error {
	if err := s.makeKey(ctx); err != nil {
		return err
	}
	for _, h := range on {
		if err := s.startSSHD(ctx, h); err != nil {
			return fmt.Errorf("sshd on %s: %w", h.Name, err)
		}
	}
	return s.tellClients()
}

func (s *Set) ssh(name string) string { return filepath.Join(s.Dir, "ssh", name) }

// makeKey makes the key of all who log in, once.
func (s *Set) makeKey(ctx context.Context) error {
	if _, err := os.Stat(s.ssh("id")); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.ssh(""), 0o755); err != nil {
		return err
	}
	return keygen(ctx, s.ssh("id"))
}

func keygen(ctx context.Context, file string) error {
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return nil
}

const sshdConfig = `ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PidFile /run/sshd.pid
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 100
MaxSessions 100
SetEnv PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin
Subsystem sftp internal-sftp
`

func (s *Set) startSSHD(ctx context.Context, h *Host) error {
	key := s.ssh("host-" + h.Name)
	if err := keygen(ctx, key); err != nil {
		return err
	}
	if err := h.Write("/etc/ssh/sshd_config", fmt.Sprintf(sshdConfig, h.Address, key, s.ssh("id.pub")), 0o600); err != nil {
		return err
	}
	// A locked account may not log in where PAM is not asked.
	if _, err := h.Run(ctx, "usermod -p '*' root; mkdir -p /run/sshd"); err != nil {
		return err
	}
	service, err := h.Start("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config")
	if err != nil {
		return err
	}
	return wait.Until(ctx, patience, "sshd of "+h.Name+" answers", func() error {
		if !service.Running() {
			log, _ := os.ReadFile(h.Log("sshd"))
			return wait.Stop{Err: fmt.Errorf("it ended: %w: %s", service.Wait(), log)}
		}
		_, err := h.Run(ctx, "exec 3<>/dev/tcp/"+h.Address+"/22")
		return err
	})
}

// tellClients writes what clients need to know of the servers.
func (s *Set) tellClients() error {
	var known strings.Builder
	for _, h := range s.hosts {
		key, err := os.ReadFile(s.ssh("host-" + h.Name + ".pub"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(&known, "%s,%s %s", h.Name, h.Address, key)
	}
	if err := os.WriteFile(s.ssh("known_hosts"), []byte(known.String()), 0o644); err != nil {
		return err
	}
	conf := fmt.Sprintf("Host *\n  IdentityFile %s\n  UserKnownHostsFile %s\n  IdentitiesOnly yes\n  BatchMode yes\n", s.ssh("id"), s.ssh("known_hosts"))
	for _, h := range s.hosts {
		if err := h.Write("/etc/ssh/ssh_config.d/set.conf", conf, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// AddUser makes a user without privileges on the host.
func (h *Host) AddUser(ctx context.Context, name string) error {
	_, err := h.Run(ctx, fmt.Sprintf("useradd --create-home --shell /bin/bash %s && usermod -p '*' %s", name, name))
	return err
}

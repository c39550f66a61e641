package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// HostConfig says what of this host is looked at. All of it may be zero.
type HostConfig struct {
	// Interface is the network interface; by default the one with Address, or else the
	// one of the default route, at each sample.
	Interface string
	// Address is of this host, invalid if it is not known.
	Address netip.Addr
	// Path lies on the disk to look at; none if it is empty.
	Path string
	// Root is where proc and sys are, / by default.
	Root string
}

// Host reads what the kernel tells of this host.
type Host struct {
	config HostConfig
	disk   string // a name of /proc/diskstats, "" for none
	nic    chosen
}

// NewHost returns the reader of this host. A path that lies on no disk, as on
// tmpfs, is no error: such a host has no disk latency.
func NewHost(c HostConfig) (*Host, error) {
	if c.Root == "" {
		c.Root = "/"
	}
	h := &Host{config: c}
	if c.Path != "" {
		disk, err := h.diskOf(c.Path)
		if err != nil {
			return nil, err
		}
		h.disk = disk
	}
	return h, nil
}

// Disk is the name of the disk that is looked at, such as "sda"; "" if there is
// none.
func (h *Host) Disk() string { return h.disk }

// Sample reads a sample. What cannot be read is zero in it, and in the error.
func (h *Host) Sample(at unit.Time, own bandwidth.Moved) (bandwidth.HostSample, error) {
	s := bandwidth.HostSample{At: at, Own: own}
	return s, errors.Join(h.readCPU(&s), h.readPressure(&s), h.readDisk(&s), h.readInterface(&s))
}

func (h *Host) read(path ...string) (string, error) {
	text, err := os.ReadFile(filepath.Join(append([]string{h.config.Root}, path...)...))
	return string(text), err
}

func (h *Host) readCPU(s *bandwidth.HostSample) error {
	text, err := h.read("proc/stat")
	if err != nil {
		return err
	}
	if s.CPU, err = bandwidth.ParseCPU(text); err != nil {
		return fmt.Errorf("/proc/stat: %w", err)
	}
	return nil
}

// readPressure leaves out what a kernel without PSI, or with PSI switched off,
// does not tell.
func (h *Host) readPressure(s *bandwidth.HostSample) error {
	p := &bandwidth.Pressure{}
	for name, stall := range map[string]*bandwidth.Stall{"cpu": &p.CPU, "io": &p.IO, "memory": &p.Memory} {
		text, err := h.read("proc/pressure", name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		if err == nil {
			*stall, err = bandwidth.ParseStall(text)
		}
		if err != nil {
			return fmt.Errorf("/proc/pressure/%s: %w", name, err)
		}
	}
	s.PSI = p
	return nil
}

func (h *Host) readDisk(s *bandwidth.HostSample) error {
	if h.disk == "" {
		return nil
	}
	text, err := h.read("proc/diskstats")
	if err != nil {
		return err
	}
	disks, err := bandwidth.ParseDisks(text)
	if err != nil {
		return fmt.Errorf("/proc/diskstats: %w", err)
	}
	disk, ok := disks[h.disk]
	if !ok {
		return fmt.Errorf("/proc/diskstats: there is no disk %s", h.disk)
	}
	s.Disk = disk
	return nil
}

func (h *Host) readInterface(s *bandwidth.HostSample) error {
	name, err := h.nic.name(h)
	if err != nil {
		return err
	}
	if s.NIC, err = h.readCounters(name); err != nil {
		h.nic = chosen{}
		return err
	}
	s.Interface, s.Speed = name, h.readSpeed(name)
	return nil
}

// readCounters reads what an interface of this process's network namespace has moved.
func (h *Host) readCounters(name string) (bandwidth.Moved, error) {
	text, err := h.read("proc/net/dev")
	if err != nil {
		return bandwidth.Moved{}, err
	}
	m, err := bandwidth.ParseInterface(text, name)
	if err != nil {
		return bandwidth.Moved{}, fmt.Errorf("/proc/net/dev: %w", err)
	}
	return m, nil
}

// diskOf returns the name of the disk that a path lies on: the whole disk, not
// its partition, as that is what is busy. It is "" for filesystems without one.
func (h *Host) diskOf(path string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return "", fmt.Errorf("find the disk of %s: %w", path, err)
	}
	device := filepath.Join(h.config.Root, "sys/dev/block", fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)))
	real, err := filepath.EvalSymlinks(device)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the disk of %s: %w", path, err)
	}
	if _, err := os.Stat(filepath.Join(real, "partition")); err == nil {
		real = filepath.Dir(real)
	}
	return filepath.Base(real), nil
}

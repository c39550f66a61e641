package busy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// View is what the programs of a host see of the machine.
type View struct {
	dir   string
	stat  *os.File
	cores float64
	began time.Time
}

// NewView makes the view of a host that has a number of processors, and a link. Its
// files are in dir, which is made.
func NewView(dir string, cores float64, link topo.Link) (*View, error) {
	v := &View{dir: dir, cores: cores, began: time.Now()}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(v.file("speed"), []byte(speed(link)), 0o600); err != nil {
		return nil, err
	}
	var err error
	if v.stat, err = os.Create(v.file("stat")); err != nil {
		return nil, err
	}
	return v, v.Update(0)
}

func (v *View) file(name string) string { return filepath.Join(v.dir, name) }

// speed is what the file of an interface says, in Mbit/s; -1 is not known.
func speed(l topo.Link) string {
	const mbit = 1e6 / 8
	rate := max(l.Up, l.Down)
	if rate == unit.Unlimited {
		return "-1\n"
	}
	return strconv.Itoa(max(1, int(rate/mbit))) + "\n"
}

// enter makes a view in a mount namespace of its own, which ends with the programs
// in it, and runs what follows. $0 is the view's directory.
const enter = `set -e
mount -t sysfs sysfs /sys
mount --bind "$0/stat" /proc/stat
[ ! -e /sys/class/net/eth0/speed ] || mount --bind "$0/speed" "$(readlink -f /sys/class/net/eth0/speed)"
[ ! -d /proc/pressure ] || mount -t tmpfs none /proc/pressure
exec "$@"`

// Command is one that runs a program on a host, which sees the machine as it is if
// there is no view, and runs wherever the kernel likes if there is no processor.
func Command(v *View, p *Processor, program string, args ...string) *exec.Cmd {
	words := append([]string{program}, args...)
	if v != nil {
		words = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", enter, v.dir}, words...)
	}
	if p != nil {
		words = append([]string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, p.processes()}, words...)
	}
	return exec.Command(words[0], words[1:]...)
}

// tick is the unit of /proc/stat.
const tick = 10 * time.Millisecond

// Update shows that the host's programs have used so much of its processors.
func (v *View) Update(used time.Duration) error {
	all := time.Duration(float64(time.Since(v.began)) * v.cores)
	line := fmt.Sprintf("  %d 0 0 %d 0 0 0 0 0 0\n", min(used, all)/tick, max(all-used, 0)/tick)
	// It only grows, but for the last digit of what is idle.
	if _, err := v.stat.WriteAt([]byte("cpu"+line+"cpu0"+line), 0); err != nil {
		return fmt.Errorf("show what is used of a processor: %w", err)
	}
	return nil
}

// Close lets go of the view.
func (v *View) Close() error { return v.stat.Close() }

package rivals

import (
	"fmt"
	"os/exec"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
)

// python is Debian's own, which has Debian's modules.
const python = "/usr/bin/python3"

// program is something that must be installed.
type program struct {
	pkg   string   // of Debian
	probe []string // a command that succeeds if it is
}

var (
	libtorrentModule = program{"python3-libtorrent", []string{python, "-c", "import libtorrent"}}
	aria2c           = program{"aria2", []string{"aria2c", "--version"}}
	curl             = program{"curl", []string{"curl", "--version"}}
	tar              = program{"tar", []string{"tar", "--version"}}
)

// check returns an error that names the packages that a system lacks.
func check(name string, needs []program) error {
	var missing []string
	for _, n := range needs {
		if exec.Command(n.probe[0], n.probe[1:]...).Run() != nil {
			missing = append(missing, n.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	packages := strings.Join(missing, " ")
	return fmt.Errorf("%s %w: what it needs of %s is not there; as root: apt-get install %s", name, system.ErrMissing, packages, packages)
}

// Package broom removes a directory when the process that made it ends, however
// that ends.
package broom

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// Broom is a shell that waits for the end of this process.
type Broom struct {
	dir   string
	shell *exec.Cmd
	hold  io.Closer // its standard input, which ends with this process
}

// sweep tries again: what is killed may write for a moment longer. What is mounted in
// the directory is taken out first.
const sweep = `read _; awk -v d="$0/" 'index($2, d) == 1 { print $2 }' /proc/mounts | xargs -r umount -l; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf --one-file-system "$0" 2>/dev/null && exit 0; sleep 0.3; done; exec rm -rf --one-file-system "$0"`

// Start has dir removed at Close, or when this process ends.
func Start(dir string) (*Broom, error) {
	b := &Broom{dir: dir, shell: exec.Command("sh", "-c", sweep, dir)}
	b.shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C does not reach it
	var err error
	if b.hold, err = b.shell.StdinPipe(); err != nil {
		return nil, err
	}
	if err := b.shell.Start(); err != nil {
		return nil, fmt.Errorf("start what removes %s: %w", dir, err)
	}
	return b, nil
}

// Close removes the directory now.
func (b *Broom) Close() error {
	b.hold.Close()
	if err := b.shell.Wait(); err != nil {
		return fmt.Errorf("remove %s: %w", b.dir, err)
	}
	return nil
}

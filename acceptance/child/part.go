package child

import (
	"fmt"
	"os"
	"os/exec"
)

// Parts are parts of this program that run as programs of their own, by the names
// that they are called by. Each gets the arguments after its name.
type Parts map[string]func(args []string) error

// Run runs the part that this process was started for, and ends with it: with 1 if
// that fails, which it says on standard error. If it was started for none, Run
// returns at once. A program that starts parts calls it first, its tests as well.
func (p Parts) Run() {
	part := p[os.Args[0]]
	if part == nil {
		return
	}
	if err := part(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Part is the command of a part of this program, which Parts.Run runs.
func Part(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = name
	return cmd
}

// Package child runs programs that end with the process that started them,
// however that ends: the agents of a test, of the demo and of the bench.
package child

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that was started. Its methods may be called from any
// goroutine.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // written before exited is closed
}

// Start starts cmd in a process group of its own, so that Ctrl-C reaches only the
// caller, which then ends things in order. What else cmd.SysProcAttr asks for
// stays, such as namespaces.
func Start(cmd *exec.Cmd) (*Process, error) { return start(cmd, nil) }

// StartIn is Start in a network namespace, which an open file stands for, such
// as /proc/PID/ns/net. The program has the priority that this process began with.
// The file may be closed afterwards.
func StartIn(namespace *os.File, cmd *exec.Cmd) (*Process, error) { return start(cmd, namespace) }

// Niceness is that which this process began with, or which it was given by the time
// of the first call.
var Niceness = sync.OnceValue(func() int {
	const highest = 20 // what the kernel returns is 20 less the niceness
	n, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	if err != nil {
		return 0
	}
	return highest - n
})

func start(cmd *exec.Cmd, namespace *os.File) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go p.run(started, namespace)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// run keeps its thread for as long as the program runs: the kernel sends
// Pdeathsig when the thread that started it ends.
func (p *Process) run(started chan<- error, namespace *os.File) {
	runtime.LockOSThread()
	if namespace == nil {
		defer runtime.UnlockOSThread()
	} // else the thread ends with run: it is of no use elsewhere
	defer close(p.exited)
	err := p.launch(namespace)
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

func (p *Process) launch(namespace *os.File) error {
	if namespace != nil {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, Niceness()); err != nil {
			return fmt.Errorf("set its priority: %w", err)
		}
	}
	return p.cmd.Start()
}

// Pid is the process's number, and that of its group.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Wait waits for the program's end and returns what exec.Cmd.Wait does.
func (p *Process) Wait() error {
	<-p.exited
	return p.err
}

// CPU waits for the program's end and returns the user and system time that it
// and the children that it waited for used.
func (p *Process) CPU() time.Duration {
	<-p.exited
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// End asks the program to end by a signal, kills it if it has not within the
// patience, and waits for its end. It reports whether asking was enough.
func (p *Process) End(ask os.Signal, patience time.Duration) bool {
	_ = p.cmd.Process.Signal(ask) // an error says that it has ended
	select {
	case <-p.exited:
		return true
	case <-time.After(patience):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	return false
}

// KillGroup kills what is left of the program's process group, mostly nothing.
func (p *Process) KillGroup() {
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
}

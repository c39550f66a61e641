package provider

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/client"
)

// Terraform is interrupted while it waits for the nodes: what it did is in the
// state, untainted, the agents go on, and the next apply finds it done. None of
// it puts content into the state. This runs the provider as Terraform does.
func TestAccInterrupt(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	late := f.Agents()[1]
	late.Kill()
	down(t, f, late.Name)
	source, path := tree(t), filepath.Join(f.Root, "site")
	write(t, filepath.Join(source, "secret"), "content-that-must-not-be-in-the-state")
	tf := newTerraform(t, f, artifact(source, "")+distribution("site", path, ""))

	run := tf.command("apply", "-auto-approve", "-no-color", "-input=false")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	fleet.Eventually(t, patience, "the first node has the content", func() error {
		st, err := f.Client().Status(t.Context(), "site")
		switch {
		case client.IsNotFound(err):
			return err
		case err != nil:
			t.Fatal(err)
		case st.Summary.Converged != 1:
			return fmt.Errorf("nodes are %+v", st.Nodes)
		}
		return nil
	})
	if err := run.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // Terraform's exit code is not ours to check
	if out := tf.output.String(); !strings.Contains(out, "Interrupted") || !strings.Contains(out, "1 of 2 nodes hold the content") {
		t.Errorf("terraform said:\n%s", out)
	}
	if state := tf.state(); !strings.Contains(state, `"converged": false`) || strings.Contains(state, "tainted") {
		t.Errorf("after the interruption, the state is\n%s", state)
	}

	late.Restart()
	fleet.Eventually(t, patience, "the agents go on by themselves", func() error { return done(status(t, f, "site")) })
	tf.run("apply", "-auto-approve", "-no-color", "-input=false")
	tf.run("plan", "-detailed-exitcode", "-no-color", "-input=false")
	if err := fileIs(filepath.Join(late.Path(path), "index.html"), "first"); err != nil {
		t.Error(err)
	}
	if state := tf.state(); !strings.Contains(state, `"converged": true`) || strings.Contains(state, "must-not-be") {
		t.Errorf("in the end, the state is\n%s", state)
	}
	tf.run("destroy", "-auto-approve", "-no-color", "-input=false")
}

// tf is a working directory of Terraform with the built provider.
type tf struct {
	t      *testing.T
	dir    string
	env    []string
	output *strings.Builder // of the command that ran last
}

func newTerraform(t *testing.T, f *fleet.Fleet, config string) *tf {
	t.Helper()
	dir := t.TempDir()
	const address = "registry.terraform.io/rackswarm/rackswarm"
	write(t, filepath.Join(dir, "main.tf"), fmt.Sprintf("terraform {\n  required_providers {\n    rackswarm = { source = %q }\n  }\n}\n", address)+
		remote(f, f.Agents()[0])+config)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fleet.Binary(t, "provider"), filepath.Join(bin, "terraform-provider-rackswarm")); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(dir, "terraformrc")
	write(t, rc, fmt.Sprintf("provider_installation {\n  dev_overrides { %q = %q }\n  direct {}\n}\n", address, bin))
	return &tf{t: t, dir: dir, env: append(os.Environ(), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1")}
}

// command runs in a process group of its own, so that a signal sent to it alone
// is like one of a supervisor.
func (x *tf) command(args ...string) *exec.Cmd {
	x.t.Helper()
	program := os.Getenv("TF_ACC_TERRAFORM_PATH")
	if program == "" {
		program = "terraform"
	}
	cmd := exec.CommandContext(x.t.Context(), program, args...)
	x.output = &strings.Builder{}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = x.dir, x.env, x.output, x.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (x *tf) run(args ...string) {
	x.t.Helper()
	if err := x.command(args...).Run(); err != nil {
		x.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, x.output)
	}
}

func (x *tf) state() string {
	x.t.Helper()
	text, err := os.ReadFile(filepath.Join(x.dir, "terraform.tfstate"))
	if err != nil {
		x.t.Fatal(err)
	}
	return string(text)
}

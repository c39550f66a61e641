package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// example is the configuration that is applied.
const example = "examples/quickstart"

// setUpTerraform lets Terraform and OpenTofu use the provider in bin/.
func (d *demo) setUpTerraform() error {
	text := fmt.Sprintf(`provider_installation {
  dev_overrides {
    "registry.terraform.io/rackswarm/rackswarm" = "%[1]s"
    "registry.opentofu.org/rackswarm/rackswarm" = "%[1]s"
  }
  direct {}
}
`, filepath.Join(d.top, "bin"))
	return os.WriteFile(filepath.Join(d.dir, "terraformrc"), []byte(text), 0o600)
}

// showEnvironment shows the variables that the commands after it rely on.
func (d *demo) showEnvironment() {
	d.out.Shell(fmt.Sprintf("export RACKSWARM_ENDPOINTS=%s", d.fleet.endpoint()))
	d.out.Shell(fmt.Sprintf("export RACKSWARM_CA=%s RACKSWARM_CERT=%s RACKSWARM_KEY=%s",
		d.fleet.pki("ca.crt"), d.fleet.pki("operator.crt"), d.fleet.pki("operator.key")))
	d.out.Shell("export TF_CLI_CONFIG_FILE=" + filepath.Join(d.dir, "terraformrc") + "  # the provider in bin/")
}

func (d *demo) environment() []string {
	return append(os.Environ(),
		"RACKSWARM_ENDPOINTS="+d.fleet.endpoint(),
		"RACKSWARM_CA="+d.fleet.pki("ca.crt"),
		"RACKSWARM_CERT="+d.fleet.pki("operator.crt"),
		"RACKSWARM_KEY="+d.fleet.pki("operator.key"),
		"TF_CLI_CONFIG_FILE="+filepath.Join(d.dir, "terraformrc"),
		"TF_DATA_DIR="+filepath.Join(d.dir, "terraform.d"),
		"TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_CLI_ARGS=", "CHECKPOINT_DISABLE=1",
	)
}

// terraformArgs is a command line that uses the demo's state and variables.
func (d *demo) terraformArgs(verb, source string, more ...string) []string {
	args := append([]string{"-chdir=" + example, verb}, more...)
	return append(args, "-state="+filepath.Join(d.dir, "terraform.tfstate"),
		"-var", "name="+distribution, "-var", "source_path="+source, "-var", "path="+filepath.Join(d.fleet.root(), "go"))
}

// terraformName is how a user calls the command from the top of the repository.
func (d *demo) terraformName() string {
	name := filepath.Base(d.terraform)
	if found, err := exec.LookPath(name); err == nil && found == d.terraform {
		return name
	}
	if rel, err := filepath.Rel(d.top, d.terraform); err == nil && filepath.IsLocal(rel) {
		return "./" + rel
	}
	return d.terraform
}

// terraformRun runs a command line in the background; its output goes to a log.
func (d *demo) terraformRun(args []string) (*child.Process, string, error) {
	d.out.Command(d.terraformName(), args...)
	log := filepath.Join(d.dir, "terraform.log")
	f, err := os.Create(log)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	cmd := exec.Command(d.terraform, append(args, "-no-color")...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.top, d.environment(), f, f
	p, err := child.Start(cmd)
	return p, log, err
}

// await waits for the end of a Terraform command.
func (d *demo) await(ctx context.Context, p *child.Process, log string) error {
	select {
	case <-p.Exited():
	case <-ctx.Done():
		p.End(os.Interrupt, 15*time.Second)
		return context.Cause(ctx)
	}
	if err := p.Wait(); err != nil {
		return &loggedError{fmt.Errorf("terraform: %w", err), log}
	}
	return nil
}

// exitCode is how a Terraform command ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

var telling = regexp.MustCompile(`(?m)^(No changes\..*|Plan: .*|Apply complete!.*|  # .* (will|must) be .*)$`)

// showLog prints the lines of Terraform's output that say what it did.
func (d *demo) showLog(log string) error {
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	for _, line := range telling.FindAllString(string(text), -1) {
		d.out.Note("%s", strings.TrimSpace(line))
	}
	return nil
}

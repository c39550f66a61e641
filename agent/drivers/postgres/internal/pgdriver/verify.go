package pgdriver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os/exec"
	"regexp"
	"strings"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Verify implements pluginapi.DatabaseDriver by pg_verifybackup, which compares
// all files with the manifest and reads the log that they need. What Configure
// writes does not disturb it.
func (d Driver) Verify(ctx context.Context, t pluginapi.Target, dir string, progress func(pluginapi.Progress)) error {
	if err := checkVersionFile(dir); err != nil {
		return err
	}
	in, err := staged(t, dir)
	if err != nil {
		return err
	}
	if progress != nil {
		progress(pluginapi.Progress{Doing: "pg_verifybackup"})
	}
	_, err = in.run(ctx, command.Command{Argv: []string{"pg_verifybackup", "-q", "-i", roleFile, dir}, Reader: true})
	return finding(err, dir)
}

// checkVersionFile compares PG_VERSION, which decides whose pg_verifybackup is
// run, with the manifest. A manifest that cannot be read is pg_verifybackup's
// finding.
func checkVersionFile(dir string) error {
	want, err := pgfiles.Checksum([]byte(readText(dir, "backup_manifest")), "PG_VERSION")
	if err != nil || want == "" {
		return nil
	}
	if got := sha256.Sum256([]byte(readText(dir, "PG_VERSION"))); hex.EncodeToString(got[:]) != want {
		return fault(pluginapi.CodeCorrupt, "PG_VERSION", "fetch or capture it again", "it is not the file that was captured")
	}
	return nil
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// finding turns what pg_verifybackup ended with into an error of the interface,
// with the damaged file as its subject.
func finding(err error, dir string) error {
	var f *command.Failure
	var exit *exec.ExitError
	if !errors.As(err, &f) || !errors.As(f.Err, &exit) || exit.ExitCode() != 1 {
		return err
	}
	if strings.Contains(f.Stderr, "is needed by") { // pg_waldump is not installed
		return fault(pluginapi.CodeUnsupported, "pg_verifybackup", "install all of PostgreSQL's server programs", "%s", command.OneLine(f.Stderr))
	}
	if strings.Contains(f.Stderr, "Permission denied") {
		return fault(pluginapi.CodeRefused, dir, "run the agent as root, or give the files to the owner of the data", "%s", command.OneLine(f.Stderr))
	}
	first, _, _ := strings.Cut(f.Stderr, "\n")
	name := ""
	if m := quoted.FindStringSubmatch(first); m != nil {
		name = strings.TrimPrefix(m[1], dir+"/")
	}
	_, message, ok := strings.Cut(first, "error: ")
	if !ok {
		message = first
	}
	return fault(pluginapi.CodeCorrupt, name, "fetch or capture it again", "%s", message)
}

// staged is the instance t as the captured files in dir would make it.
func staged(t pluginapi.Target, dir string) (*instance, error) {
	in, _, err := open(t)
	if err != nil {
		return nil, err
	}
	version, err := readVersion(dir)
	if err != nil && codeOf(err) != pluginapi.CodeUnsupported {
		return nil, fault(pluginapi.CodeCorrupt, "PG_VERSION", "fetch or capture it again", "%v", err)
	}
	in.major = version
	return in, err
}

package pgdriver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/internal/proc"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// installations is where Debian and others put one installation per version.
const installations = "/usr/lib/postgresql"

// instance is a target and what was found out about it.
type instance struct {
	pluginapi.Target
	settings
	owner *command.User // of the data, or whom they will belong to
	major string        // version of the data, or of the newest installation if there are none
}

// open looks at the data directory of t, which need not be there. data reports
// whether there are data of PostgreSQL.
func open(t pluginapi.Target) (in *instance, data bool, err error) {
	s, err := readSettings(t)
	if err != nil {
		return nil, false, err
	}
	in = &instance{Target: t, settings: s}
	in.major, err = readVersion(t.DataDir)
	switch {
	case err == nil:
		if in.owner, err = command.OwnerOf(t.DataDir); err != nil {
			return nil, false, err
		}
		data = true
	case errors.Is(err, fs.ErrNotExist):
		in.major = newest(in.bin)
		if in.owner, err = command.LookupUser(in.user); err != nil {
			return nil, false, invalid("user", err.Error(), "create the user, for example by installing PostgreSQL, or name another")
		}
	default:
		return nil, false, err
	}
	return in, data, in.checkOwner()
}

// existing is open for calls that need data of PostgreSQL.
func existing(t pluginapi.Target) (*instance, error) {
	in, data, err := open(t)
	if err == nil && !data {
		err = fault(pluginapi.CodeState, t.DataDir, "", "there is no PostgreSQL database")
	}
	return in, err
}

func (in *instance) checkOwner() error {
	if in.owner.UID == 0 {
		return fault(pluginapi.CodeUnsupported, in.DataDir, "chown -R postgres: "+in.DataDir, "it belongs to root, as whom PostgreSQL does not run")
	}
	if err := in.owner.Reachable(); err != nil {
		return fault(pluginapi.CodeRefused, in.DataDir, "run the agent as root or as "+in.owner.String(), "%v", err)
	}
	return nil
}

// readVersion reads PG_VERSION in dir. The error is fs.ErrNotExist if there is
// none, CodeUnsupported for a version that is not supported.
func readVersion(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return "", err
	}
	version := strings.TrimSpace(string(data))
	if !slices.Contains(versions, version) {
		return version, fault(pluginapi.CodeUnsupported, dir, "supported are "+strings.Join(versions, ", "), "PostgreSQL %q is not supported", version)
	}
	return version, nil
}

// newest is the newest supported version that is installed, or the one of bin;
// "" if there is none.
func newest(bin string) string {
	if bin != "" {
		return ""
	}
	for _, v := range slices.Backward(versions) {
		if _, err := os.Stat(filepath.Join(installations, v, "bin", "postgres")); err == nil {
			return v
		}
	}
	return ""
}

// program is the path of one of PostgreSQL's programs.
func (in *instance) program(name string) (string, error) {
	dir := in.bin
	if dir == "" {
		dir = filepath.Join(installations, in.major, "bin")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fault(pluginapi.CodeUnsupported, path, "install PostgreSQL "+in.major+", or name the directory of its programs in the setting bin", "%v", err)
	}
	return path, nil
}

// run runs one of PostgreSQL's programs as the owner of the data.
func (in *instance) run(ctx context.Context, c command.Command) (string, error) {
	path, err := in.program(c.Argv[0])
	if err != nil {
		return "", err
	}
	c.Argv = append([]string{path}, c.Argv[1:]...)
	c.As, c.Env = in.owner, append([]string{"PGCONNECT_TIMEOUT=10", "PGAPPNAME=rackswarm"}, c.Env...)
	return command.Run(ctx, c)
}

// programVersion is that of the server program, such as "15.18".
func (in *instance) programVersion(ctx context.Context) (string, error) {
	out, err := in.run(ctx, command.Command{Argv: []string{"postgres", "-V"}})
	if err != nil {
		return "", err
	}
	_, version, ok := strings.Cut(out, "(PostgreSQL) ")
	fields := strings.Fields(version)
	if !ok || len(fields) == 0 {
		return "", fault(pluginapi.CodeUnsupported, "postgres -V", "check the setting bin", "unknown answer %q", strings.TrimSpace(out))
	}
	return fields[0], nil
}

// checkProgram refuses programs of another major version than that of the data.
func (in *instance) checkProgram(ctx context.Context) error {
	version, err := in.programVersion(ctx)
	if err != nil {
		return err
	}
	if major, _, _ := strings.Cut(version, "."); major != in.major {
		return fault(pluginapi.CodeUnsupported, in.DataDir, "name the programs of PostgreSQL "+in.major+" in the setting bin",
			"the data are of PostgreSQL %s, the programs of %s", in.major, version)
	}
	return nil
}

// control reads the control file of the data in dir.
func (in *instance) control(ctx context.Context, dir string) (pgfiles.Control, error) {
	out, err := in.run(ctx, command.Command{Argv: []string{"pg_controldata", "-D", dir}, Reader: true})
	if err != nil {
		return pgfiles.Control{}, err
	}
	switch _, warning, warned := strings.Cut(out, "WARNING:"); {
	case strings.Contains(warning, "byte ordering"):
		return pgfiles.Control{}, fault(pluginapi.CodeUnsupported, dir, "use data of a machine of the same architecture", "the control file is of another architecture")
	case warned:
		return pgfiles.Control{}, fault(pluginapi.CodeCorrupt, filepath.Join(dir, "global/pg_control"), "", "%s", command.OneLine(warning[:min(len(warning), 200)]))
	}
	c, err := pgfiles.ParseControl(out)
	if err != nil {
		return c, fault(pluginapi.CodeInternal, dir, "", "%v", err)
	}
	return c, nil
}

// pidFile reads postmaster.pid; it may be left over from a server that is gone.
func (in *instance) pidFile() (pgfiles.PIDFile, error) {
	data, err := os.ReadFile(filepath.Join(in.DataDir, "postmaster.pid"))
	if err != nil {
		return pgfiles.PIDFile{}, err
	}
	return pgfiles.ParsePIDFile(string(data))
}

// processes lists the instance's processes. A file that names a number proves
// nothing, so those count that work in the data directory.
func (in *instance) processes() ([]proc.Process, error) {
	found, err := proc.Within(in.DataDir)
	if errors.Is(err, proc.ErrHidden) {
		return nil, fault(pluginapi.CodeRefused, in.DataDir, "run the agent as root or as "+in.owner.String(), "whether it runs cannot be told: %v", err)
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(p proc.Process) bool { return p.Name != "postgres" && p.Name != "postmaster" }), nil
}

// server is the number of the instance's first process, 0 if it does not run.
func (in *instance) server() (int, error) {
	found, err := in.processes()
	if err != nil {
		return 0, err
	}
	file, _ := in.pidFile() // without it any will do
	leader, _ := proc.Leader(found, file.PID)
	return leader.PID, nil
}

// size is the sum of the lengths of the files below dir in bytes, links not
// followed. Files that vanish meanwhile do not count.
func size(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				sum += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return sum, err
}

// outside lists the directories elsewhere that belong to the data in dir: those
// of tablespaces, and a log directory that is a link.
func outside(dir string) ([]string, error) {
	var found []string
	if target, err := os.Readlink(filepath.Join(dir, "pg_wal")); err == nil {
		found = append(found, target)
	}
	spaces := filepath.Join(dir, "pg_tblspc")
	entries, err := os.ReadDir(spaces)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if _, err := strconv.ParseUint(e.Name(), 10, 32); err != nil {
			continue
		}
		target, err := os.Readlink(filepath.Join(spaces, e.Name()))
		if err != nil { // a tablespace in place, as tests of PostgreSQL have them
			continue
		}
		found = append(found, target)
	}
	slices.Sort(found)
	return found, nil
}

package pgdriver

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/beside"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Configure implements pluginapi.DatabaseDriver. The marks that make a server
// follow come first and the role file last, so that an interrupted Configure
// leaves nothing that Start would start.
func (d Driver) Configure(ctx context.Context, t pluginapi.Target, c pluginapi.ConfigureRequest) error {
	in, err := staged(t, c.Dir)
	if err != nil {
		return err
	}
	set, drop, err := in.parameters(c)
	if err != nil {
		return err
	}
	if err := in.complete(c.Dir); err != nil {
		return err
	}
	if err := in.checkProgram(ctx); err != nil {
		return err
	}
	dir, err := beside.Open(t.DataDir, c.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := errors.Join(remove(dir, roleFile), own(dir, in.owner)); err != nil {
		return err
	}
	if c.Role == pluginapi.AsReplica {
		if err := in.reserve(ctx, c); err != nil {
			return err
		}
	}
	return in.write(dir, c.Role, set, drop)
}

// parameters are those that postgresql.auto.conf gets and those that it loses.
// What a captured primary demanded of its own surroundings would have a
// standalone copy archive into its archive, or wait for its standbys.
func (in *instance) parameters(c pluginapi.ConfigureRequest) (set map[string]string, drop []string, err error) {
	set = maps.Clone(in.config)
	drop = []string{"recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid",
		"recovery_target_inclusive", "recovery_target_action", "recovery_target_timeline"}
	switch c.Role {
	case pluginapi.AsReplica:
		if len(in.primary.Keys()) == 0 {
			return nil, nil, invalid("primary", "it is missing, and a replica needs it", `write for example "host=db1 port=5432 user=replicator passfile=/etc/rackswarm/pgpass"`)
		}
		if c.Member == "" {
			return nil, nil, fault(pluginapi.CodeInvalid, "member", "", "a replica needs a name")
		}
		set["primary_conninfo"] = in.primary.With("application_name", c.Member).String()
		set["primary_slot_name"] = slotName(memberPrefix, c.Member)
		set["hot_standby"] = "on"
	case pluginapi.AsStandalone:
		for name, value := range map[string]string{"primary_conninfo": "", "primary_slot_name": "", "archive_mode": "off", "synchronous_standby_names": ""} {
			if _, ok := set[name]; !ok {
				set[name] = value
			}
		}
	default:
		return nil, nil, fault(pluginapi.CodeInvalid, "role", "", "there is no role %q", c.Role)
	}
	return set, drop, nil
}

// complete refuses files that are no whole base backup, or that would not start.
func (in *instance) complete(dir string) error {
	if !exists(dir, backupLabel) {
		return fault(pluginapi.CodeCorrupt, backupLabel, "fetch or capture it again", "it is missing: the server would start with files of different moments")
	}
	spaces, err := outside(dir)
	if err != nil {
		return err
	}
	if len(spaces) > 0 || exists(dir, "tablespace_map") {
		return fault(pluginapi.CodeUnsupported, dir, "capture a database that lies in one directory", "the backup has tablespaces or a log elsewhere")
	}
	if in.configFile != "" || len(in.Commands["start"]) > 0 {
		return nil // the configuration may be elsewhere
	}
	for _, name := range []string{"postgresql.conf", "pg_hba.conf"} {
		if !exists(dir, name) {
			return fault(pluginapi.CodeInvalid, pathIn(in.DataDir, name), "name the server's configuration in the setting config_file, or the command that starts it in commands.start",
				"the backup has none, as the source keeps it elsewhere")
		}
	}
	return nil
}

// reserve makes sure that the primary is the one the backup is of, and keeps its
// log for the member. The slot begins at the primary's last checkpoint; what the
// member needs of before is kept by the run's pin.
func (in *instance) reserve(ctx context.Context, c pluginapi.ConfigureRequest) error {
	subject := "primary " + in.primaryName()
	primary, err := in.identify(ctx)
	if err != nil {
		return asUnreachable(err, subject)
	}
	control, err := in.control(ctx, c.Dir)
	if err != nil {
		return err
	}
	if primary.system != control.SystemID {
		return fault(pluginapi.CodeState, subject, "correct the setting primary, or restore a backup of this primary",
			"it is another database: its system identifier is %s, the backup's is %s", primary.system, control.SystemID)
	}
	slots, slot := primarySlots{in}, slotName(memberPrefix, c.Member)
	err = slots.create(ctx, slot)
	if stateOf(err) != stateDuplicate {
		return asUnreachable(err, subject)
	}
	return in.reuse(ctx, slots, slot)
}

// reuse takes a slot of the member's name that stands: from this instance's
// present data, from an interrupted call, or of another member by mistake.
func (in *instance) reuse(ctx context.Context, slots primarySlots, slot string) error {
	subject := "slot " + slot
	ours := in.slotOfData() == slot
	used, err := in.inUse(ctx, slot)
	switch {
	case err != nil:
		return asUnreachable(err, subject)
	case used && !ours:
		return fault(pluginapi.CodeState, subject, "stop the other replica, or give this member another name", "another replica follows by it")
	case ours:
		return nil
	}
	// Nobody needs what it kept, and it may have been given up for its size.
	if err := dropSlot(ctx, slots, slot); err != nil {
		return asUnreachable(err, subject)
	}
	return asUnreachable(slots.create(ctx, slot), subject)
}

// inUse reports whether somebody follows by a slot. Of a slot that is free the
// primary begins to send, which psql refuses; nothing is confirmed to it by that.
func (in *instance) inUse(ctx context.Context, slot string) (bool, error) {
	_, err := in.replicate(ctx, "START_REPLICATION SLOT "+slot+" PHYSICAL 0/0")
	switch {
	case stateOf(err) == stateInUse:
		return true, nil
	case err == nil || codeOf(err) == pluginapi.CodeInternal || stateOf(err) != "":
		return false, nil
	}
	return false, err
}

// write writes the files that make dir what role says.
func (in *instance) write(dir *os.Root, role pluginapi.Role, set map[string]string, drop []string) error {
	mode := fs.FileMode(0o600)
	var err error
	if role == pluginapi.AsReplica {
		err = replace(dir, standbySignal, "", in.owner, mode)
	}
	if err != nil {
		return err
	}
	old, err := dir.ReadFile(autoConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := replace(dir, autoConf, pgfiles.SetConf(string(old), set, drop...), in.owner, mode); err != nil {
		return err
	}
	stale := []string{recoverySignal, "postmaster.pid", "postmaster.opts"}
	if role != pluginapi.AsReplica {
		stale = append(stale, standbySignal)
	}
	for _, name := range stale {
		if err := remove(dir, name); err != nil {
			return err
		}
	}
	return errors.Join(replace(dir, roleFile, string(role)+"\n", in.owner, mode), syncDir(dir))
}

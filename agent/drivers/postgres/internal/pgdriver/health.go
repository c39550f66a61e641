package pgdriver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// status is what a running instance says of itself.
type status struct {
	recovering bool
	at         pgfiles.LSN // replayed, or written by a primary
	receiver   string      // state of the WAL receiver, "" if there is none
	told       pgfiles.LSN // where the primary's log ended when it said so last
	slot       string      // by which it follows
	archive    bool        // it gets log from an archive, too
}

const statusQuery = `SELECT pg_is_in_recovery(),
 CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END,
 coalesce((SELECT status FROM pg_stat_wal_receiver), ''),
 coalesce((SELECT latest_end_lsn FROM pg_stat_wal_receiver), '0/0'),
 current_setting('primary_slot_name'),
 current_setting('restore_command') <> ''`

// status asks the running instance. The error is errStarting while it takes no
// connections.
func (in *instance) status(ctx context.Context) (status, error) {
	row, err := in.query(ctx, statusQuery)
	if err != nil {
		if codeOf(err) == pluginapi.CodeUnreachable {
			return status{}, fmt.Errorf("%w: %w", errStarting, err) // its process stands
		}
		return status{}, err
	}
	if len(row) < 6 {
		return status{}, fault(pluginapi.CodeInternal, in.DataDir, "", "unknown answer %q", row)
	}
	s := status{recovering: row[0] == "t", receiver: row[2], slot: row[4], archive: row[5] == "t"}
	if s.at, err = pgfiles.ParseLSN(row[1]); err != nil {
		return s, err
	}
	s.told, err = pgfiles.ParseLSN(row[3])
	return s, err
}

// Health implements pluginapi.DatabaseDriver.
func (d Driver) Health(ctx context.Context, t pluginapi.Target, h pluginapi.HealthRequest) (pluginapi.Health, error) {
	in, data, err := open(t)
	if err != nil {
		return pluginapi.Health{}, err
	}
	if !data {
		return pluginapi.Health{Fault: pluginapi.FaultDown, Message: in.DataDir + ": there is no PostgreSQL database"}, nil
	}
	return d.health(ctx, in, h)
}

func ill(f pluginapi.Fault, format string, args ...any) pluginapi.Health {
	return pluginapi.Health{Fault: f, Message: fmt.Sprintf(format, args...)}
}

func (d Driver) health(ctx context.Context, in *instance, h pluginapi.HealthRequest) (pluginapi.Health, error) {
	pid, err := in.server()
	if err != nil {
		return pluginapi.Health{}, err
	}
	if pid == 0 {
		return in.down(), nil
	}
	control, err := in.control(ctx, in.DataDir)
	if err != nil {
		return pluginapi.Health{}, err
	}
	if h.ClusterID != "" && control.SystemID != h.ClusterID {
		return ill(pluginapi.FaultWrongCluster, "%s: its system identifier is %s and should be %s", in.DataDir, control.SystemID, h.ClusterID), nil
	}
	s, err := in.status(ctx)
	if errors.Is(err, errStarting) {
		return in.starting(err), nil
	}
	if err != nil {
		return pluginapi.Health{}, err
	}
	if h.Role == pluginapi.AsStandalone {
		return in.standalone(s), nil
	}
	return d.replica(ctx, in, control, s, h), nil
}

// down tells why a server that should run does not.
func (in *instance) down() pluginapi.Health {
	if said := logged(in.recentLog(), damage); said != "" {
		return ill(pluginapi.FaultCorrupt, "%s: the server does not run; it said: %s", in.DataDir, said)
	}
	return ill(pluginapi.FaultDown, "%s: the server does not run; its log (%s) ends with: %s", in.DataDir, in.logPath(), in.lastWords())
}

// starting tells of a server that takes no connections whether waiting helps.
func (in *instance) starting(why error) pluginapi.Health {
	if !exists(in.DataDir, standbySignal) {
		return ill(pluginapi.FaultStarting, "%s: %v", in.DataDir, why)
	}
	if gone := logged(in.recentLog(), segmentGone); gone != "" {
		return in.logGone(gone)
	}
	return ill(pluginapi.FaultStarting, "%s: %v", in.DataDir, why)
}

func (in *instance) logGone(said string) pluginapi.Health {
	return ill(pluginapi.FaultLogGone, "%s: %s, so it cannot catch up; restore a newer backup", in.DataDir, said)
}

func (in *instance) standalone(s status) pluginapi.Health {
	h := pluginapi.Health{Position: s.at.String(), Writable: !s.recovering}
	switch {
	case !s.recovering:
		h.Healthy = true
	case exists(in.DataDir, standbySignal):
		h.Fault, h.Message = pluginapi.FaultWrongRole, in.DataDir+": it follows another and should stand alone"
	default:
		h.Fault, h.Message = pluginapi.FaultStarting, in.DataDir+": it replays its log"
	}
	return h
}

// replica looks at an instance that should follow.
func (d Driver) replica(ctx context.Context, in *instance, control pgfiles.Control, s status, want pluginapi.HealthRequest) pluginapi.Health {
	if !s.recovering {
		h := ill(pluginapi.FaultWrongRole, "%s: it takes writes and should follow; stop it before it is written to", in.DataDir)
		h.Writable, h.Position = true, s.at.String()
		return h
	}
	h := pluginapi.Health{Position: s.at.String(), Replicating: s.receiver == "streaming", LagBytes: s.at.Behind(s.told)}
	primary, err := d.primary(ctx, in)
	if err == nil && primary.system != "" {
		h.LagBytes = s.at.Behind(max(primary.at, s.told))
	}
	switch {
	case h.Replicating && h.LagBytes <= want.MaxLag:
		h.Healthy = true
		return h
	case h.Replicating:
		h.Fault, h.Message = pluginapi.FaultLagging, fmt.Sprintf("%s: it is %d bytes behind", in.DataDir, h.LagBytes)
		return h
	}
	why := d.silent(ctx, in, control, s, primary, err)
	h.Fault, h.Message = why.Fault, why.Message
	return h
}

// primary asks the primary that the settings name; nothing if they name none.
func (d Driver) primary(ctx context.Context, in *instance) (identity, error) {
	if len(in.primary.Keys()) == 0 {
		return identity{}, nil
	}
	return in.identify(ctx)
}

// silent tells why a replica does not stream. primary and err are what the
// primary answered to the driver.
func (d Driver) silent(ctx context.Context, in *instance, control pgfiles.Control, s status, primary identity, err error) pluginapi.Health {
	name := "primary " + in.primaryName()
	switch timeline, _ := strconv.Atoi(control.Timeline); {
	case errors.Is(err, errStarting) || codeOf(err) == pluginapi.CodeUnreachable:
		return ill(pluginapi.FaultUnreachable, "%s: %v", name, err)
	case err != nil && (codeOf(err) == pluginapi.CodeRefused || codeOf(err) == pluginapi.CodeInvalid):
		return ill(pluginapi.FaultRefused, "%s: %v", name, err)
	case err != nil:
		return ill(pluginapi.FaultUnreachable, "%s: %v", name, err)
	case primary.system == "":
		return ill(pluginapi.FaultUnreachable, "%s: it does not stream, and the setting primary does not say from where it should", in.DataDir)
	case primary.system != control.SystemID:
		return ill(pluginapi.FaultWrongCluster, "%s: its system identifier is %s, the replica's is %s", name, primary.system, control.SystemID)
	case primary.timeline < timeline:
		return ill(pluginapi.FaultWrongCluster, "%s: it is on timeline %d, the replica on %d already", name, primary.timeline, timeline)
	}
	said := in.recentLog()
	if gone := logged(said, segmentGone); gone != "" && !s.archive {
		return in.logGone(gone)
	}
	if other := logged(said, otherSystem); other != "" {
		return ill(pluginapi.FaultWrongCluster, "%s: it follows by another primary_conninfo than the setting primary, and of that primary the server said: %s", in.DataDir, other)
	}
	return d.slotFault(ctx, in, s, said)
}

// slotFault asks the primary about the slot of a replica that has had time enough
// to begin streaming.
func (d Driver) slotFault(ctx context.Context, in *instance, s status, said string) pluginapi.Health {
	waiting := ill(pluginapi.FaultStarting, "%s: it does not stream yet", in.DataDir)
	if missing := logged(said, slotMissing); missing != "" {
		return ill(pluginapi.FaultLogGone, "primary %s: %s", in.primaryName(), missing)
	}
	file, err := in.pidFile()
	if err != nil || s.slot == "" || time.Since(file.Started) < d.patience() {
		return waiting
	}
	if _, err := in.replicate(ctx, "START_REPLICATION SLOT "+s.slot+" PHYSICAL 0/0"); stateOf(err) != stateInUse {
		return waiting
	}
	// It may be this instance's own receiver, which has just come through.
	if again, err := in.status(ctx); err != nil || again.receiver != "" {
		return waiting
	}
	return ill(pluginapi.FaultDuplicate, "primary %s: another replica follows by slot %s; stop it, or give this member another name", in.primaryName(), s.slot)
}

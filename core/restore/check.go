package restore

import (
	"fmt"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Room is what must be free for a copy of a data directory of so many bytes, and
// spare bytes for what is written meanwhile: the size is an estimate, of which a
// tenth is added.
func Room(size, spare int64) int64 { return size + size/10 + spare }

// spareBytes is what must be free beside the content: the log that a database
// writes while it starts and catches up.
const spareBytes = 32 << 20

// Check says why a member, of which p is known, must not or cannot be restored
// with the content want as r asks; nil if it can. It looks at role, engine,
// version, architecture, cluster, space, and at what cannot be exchanged. The
// subject is the data directory.
func Check(p api.DatabaseState, r api.Restore, want api.BackupContent) *api.Error {
	for _, err := range []*api.Error{checkPlace(p, r), checkContent(p, r, want), checkSpace(p, want)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckSource says why a database, of which p is known, cannot be captured; nil
// if it can. Whether it has to run is the driver's business.
func CheckSource(p api.DatabaseState) *api.Error {
	switch p.Kind {
	case api.DatabasePrimary, api.DatabaseReplica, api.DatabaseStopped:
		return checkOutside(p)
	case api.DatabaseAbsent, api.DatabaseEmpty:
		return refusal(api.CodeState, p, "there is no database", "name a source that has one")
	}
	return refusal(api.CodeState, p, "what stands there is not this kind of database", "look at 'data' and 'driver' in the agent's configuration")
}

// Skips reports whether a member is left as it is: it follows its primary well,
// and Force is off.
func Skips(p api.DatabaseState, r api.Restore) bool {
	return r.As == api.AsReplica && !r.Force && p.Kind == api.DatabaseReplica && p.Health != nil && p.Health.Healthy
}

func refusal(code string, p api.DatabaseState, message, fix string) *api.Error {
	return &api.Error{Code: code, Subject: p.DataDir, Message: message, Fix: fix}
}

// checkPlace is what can be said without the content: role, mountpoint,
// directories elsewhere.
func checkPlace(p api.DatabaseState, r api.Restore) *api.Error {
	if err := checkRole(p, r); err != nil {
		return err
	}
	if p.Mountpoint {
		return refusal(api.CodeUnsupported, p, "a filesystem is mounted on the data directory, so it cannot be exchanged",
			"move the data into a directory below the mount and set 'data' to it")
	}
	return checkOutside(p)
}

func checkRole(p api.DatabaseState, r api.Restore) *api.Error {
	switch p.Kind {
	case api.DatabaseAbsent, api.DatabaseEmpty, api.DatabaseReplica:
		return nil
	case api.DatabaseStopped:
		if p.WasReplica || r.AllowStopped {
			return nil
		}
		return refusal(api.CodeState, p, "holds a database that does not run and was no replica",
			"allow it by --no-require-replica (require_replica: false) if its data may be replaced")
	case api.DatabasePrimary:
		if r.AllowPrimary {
			return nil
		}
		return refusal(api.CodeState, p, "holds a database that runs and takes writes",
			"leave this node out; if its data may be replaced, set allow_primary in the request and for this database in the node's configuration")
	}
	return refusal(api.CodeForeignContent, p, "holds something that is not this kind of database",
		"look at 'data' and 'driver' in the agent's configuration, or empty the directory")
}

func checkOutside(p api.DatabaseState) *api.Error {
	if len(p.Outside) == 0 {
		return nil
	}
	return refusal(api.CodeUnsupported, p, "parts of the database lie elsewhere: "+strings.Join(p.Outside, ", "),
		"tablespaces outside the data directory are not supported: move their tables into the default one and drop them")
}

// checkContent compares the content with what would run it.
func checkContent(p api.DatabaseState, r api.Restore, want api.BackupContent) *api.Error {
	switch {
	case p.Driver != "" && want.Driver != "" && p.Driver != want.Driver:
		return refusal(api.CodeUnsupported, p, fmt.Sprintf("is of driver %s, the content of driver %s", p.Driver, want.Driver),
			"restore on nodes whose configuration has the same driver")
	case differ(major(p.ProgramVersion), major(want.Version)):
		return refusal(api.CodeUnsupported, p, fmt.Sprintf("the installed programs are version %s, the content is of version %s", p.ProgramVersion, want.Version),
			"install programs of the same major version")
	case differ(p.Architecture, want.Architecture):
		return refusal(api.CodeUnsupported, p, fmt.Sprintf("this machine is %s, the content is of %s", p.Architecture, want.Architecture),
			"restore on machines of the same architecture")
	case r.As == api.AsReplica && differ(p.ClusterID, want.ClusterID) && holdsDatabase(p):
		return refusal(api.CodeState, p, fmt.Sprintf("belongs to cluster %s, the content is of cluster %s", p.ClusterID, want.ClusterID),
			"look whether the right database is named; move the old data away if they may go")
	}
	return nil
}

func holdsDatabase(p api.DatabaseState) bool {
	return p.Kind != api.DatabaseAbsent && p.Kind != api.DatabaseEmpty
}

// differ compares what both sides know.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// major is the part of a version that must agree: "15" of "15.18".
func major(version string) string {
	number, _, _ := strings.Cut(version, ".")
	return number
}

// checkSpace: the old data stand until GoalCommit, the new ones beside them.
func checkSpace(p api.DatabaseState, want api.BackupContent) *api.Error {
	need := Room(want.DataBytes, spareBytes)
	if p.FreeBytes >= need {
		return nil
	}
	return refusal(api.CodeNoSpace, p, fmt.Sprintf("%v are free beside it and %v are needed, as old and new data stand side by side",
		unit.Bytes(p.FreeBytes), unit.Bytes(need)), "make room on its filesystem")
}

package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// maxID bounds the names of runs, backups, databases and schedules, so that what
// is made from them fits where names are short: PostgreSQL allows 63 characters.
const maxID = 60

// checkID checks a name that becomes part of paths and of names of slots.
func checkID(field, s string) error {
	odd := func(c rune) bool { return !alphanumeric(c) && c != '-' && c != '_' }
	switch {
	case s == "":
		return invalid(field, "is missing", "name it with letters, digits, '-' and '_'")
	case len(s) > maxID:
		return invalid(field, fmt.Sprintf("has %d characters; at most %d are allowed", len(s), maxID), "choose a shorter name")
	case strings.ContainsFunc(s, odd) || s[0] == '-' || s[0] == '_':
		return invalid(field, fmt.Sprintf("%q is not a name", s), "use letters, digits, '-' and '_', starting with a letter or digit")
	}
	return nil
}

func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func invalid(field, message, fix string) error {
	return &api.Error{Code: api.CodeInvalid, Subject: field, Message: message, Fix: fix}
}

// PinName is what the source's hold on the log is called: letters, digits and
// '_', at most 63 of them, in lower case. Different runs have different names.
func PinName(run string) string { return identifier(run, run) }

// MemberName is what a member is called among those that follow one primary:
// letters, digits and '_', at most 63 of them, in lower case. Each run has another
// name for it, so that what the run leaves on the primary can be removed without
// harm to the old database, which comes back if the new one fails.
func MemberName(run, node string) string { return identifier(node, node+"/"+run) }

// identifier makes a name that people recognise, and that no other key has.
func identifier(shown, key string) string {
	const longest = 40
	var b strings.Builder
	for _, c := range strings.ToLower(shown) {
		if b.Len() == longest {
			break
		}
		if !alphanumeric(c) {
			c = '_'
		}
		b.WriteRune(c)
	}
	return "rs_" + b.String() + "_" + shortHash(key)
}

func shortHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:5])
}

// StagingPath is the directory that a run's content is copied to on a member: a
// tree with the file backup.json and the directory data. It lies beside the data
// directory, so that both can be exchanged. A name that begins with ".rackswarm-"
// is one of a directory in which agents stage, where no distribution may go.
func StagingPath(dataDir, run string) string {
	return path.Join(path.Dir(path.Clean(dataDir)), ".rackswarm."+run)
}

// StagedData is the directory inside StagingPath that is exchanged with the data
// directory. Until GoalCommit it holds the old data afterwards.
func StagedData(dataDir, run string) string {
	return path.Join(StagingPath(dataDir, run), "data")
}

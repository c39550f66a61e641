package pgdriver

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
)

// maxLog is how much of the end of a log is read, in bytes.
const maxLog = 256 << 10

// logPath is where the server writes now: where its own collector does, or where
// it was started to.
func (in *instance) logPath() string {
	for line := range strings.Lines(readText(in.DataDir, "current_logfiles")) {
		kind, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || kind != "stderr" {
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(in.DataDir, name)
		}
		return name
	}
	return in.log
}

// readable reports whether the owner of the data can read a log. The file that
// names it is the owner's to write, and what is read goes into reports.
func (in *instance) readable(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && (info.Sys().(*syscall.Stat_t).Uid == in.owner.UID || info.Mode().Perm()&0o004 != 0)
}

// recentLog is what the server logged since it started, or the end of that.
func (in *instance) recentLog() string {
	f, err := os.OpenFile(in.logPath(), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would wait
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !in.readable(info) {
		return ""
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxLog), maxLog))
	if err != nil {
		return ""
	}
	text := string(data)
	if i := strings.LastIndex(text, "starting PostgreSQL "); i >= 0 {
		text = text[i:]
	}
	return text
}

// lastWords are the last lines of the log, for messages.
func (in *instance) lastWords() string {
	said := command.OneLine(in.recentLog())
	if said == "" {
		return "nothing"
	}
	return said
}

// What a log says of a server that cannot go on. Messages of the server may be
// translated: then these are not found, and a member waits until its time is up.
var (
	segmentGone = regexp.MustCompile(`requested WAL segment ([0-9A-F]{24}) has already been removed`)
	slotMissing = regexp.MustCompile(`replication slot "([^"]+)" does not exist`)
	otherSystem = regexp.MustCompile(`database system identifier differs between the primary and standby`)
	damage      = regexp.MustCompile(`PANIC:.*|.*incorrect checksum in control file.*|.*invalid page in block.*|.*could not locate (?:a valid|required) checkpoint record.*`)
)

// logged finds the last match of what in text, "" for none.
func logged(text string, what *regexp.Regexp) string {
	all := what.FindAllString(text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

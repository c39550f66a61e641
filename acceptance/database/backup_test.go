package database

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// backups are those that list shows.
func (w *world) backups() []api.Backup {
	w.Helper()
	var all api.BackupList
	w.json(&all, "list", "main")
	return all.Backups
}

// onlyBackup is the one backup that there is.
func (w *world) onlyBackup() api.Backup {
	w.Helper()
	all := w.backups()
	if len(all) != 1 {
		w.Fatalf("backups %+v, want one", all)
	}
	return all[0]
}

// number is what a query on a host counts.
func (w *world) number(name, query string) int {
	w.Helper()
	n, err := strconv.Atoi(w.sql(name, query))
	w.must(err)
	return n
}

// A backup is taken, lies on two nodes without the one it is of, is checked and
// mended, is replaced by that of a schedule, and comes back, in the place of a
// replica, when its primary is gone. What came back is backed up in turn.
func TestBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2", "keep1"}})
	_, err := w.db["db1"].StartLoad(w.Context())
	w.must(err)
	w.ok("seed", "main", "--from", "db1", "--node", "db2")
	w.ok("take", "main", "--node", "db1", "--copies", "2", "--on", "hub", "--on", "keep1")
	b := w.onlyBackup()
	w.kept(b, "hub", "keep1")
	w.clean()
	w.ok("verify", b.ID)
	w.mends(b)
	w.scheduled(b)
	w.restored()
	w.ok("take", "main", "--node", "db2", "--copies", "1", "--on", "keep1")
}

// kept checks that nodes, and nobody else, hold the files of a backup.
func (w *world) kept(b api.Backup, on ...string) {
	w.Helper()
	if !slices.Equal(slices.Sorted(slices.Values(b.Copies)), on) || b.Node != "db1" || b.Content.Version != "15" || b.VerifiedAt.IsZero() {
		w.Errorf("backup %+v", b)
	}
	for _, h := range w.set.Hosts() {
		found := strings.TrimSpace(w.run(h, "ls "+filepath.Join(b.Path, "data", "PG_VERSION")+" 2>/dev/null || true"))
		if (found != "") != slices.Contains(on, h.Name) {
			w.Errorf("%s has %q", h.Name, found)
		}
	}
}

// mends flips a byte in one copy: it is found, and fetched from the other.
func (w *world) mends(b api.Backup) {
	w.Helper()
	keep := w.set.Host("keep1")
	file := filepath.Join(b.Path, "data", "base", "1", "1259")
	sum := "sha256sum <" + file
	before := w.run(keep, sum)
	w.run(keep, flip(file))
	if w.run(keep, sum) == before {
		w.Fatal("the byte is not flipped")
	}
	r := w.backup("verify", b.ID)
	w.fails(r, 1, "keep1", "mended")
	if !strings.Contains(r.out, "was damaged, mended") {
		w.Errorf("verify says\n%s", r.out)
	}
	if after := w.run(keep, sum); after != before {
		w.Errorf("the file is %q, and was %q", after, before)
	}
	w.ok("verify", b.ID)
}

// flip is a command that flips the bits of a byte in the middle of a file, which
// then looks as old as it did.
func flip(file string) string {
	return fmt.Sprintf(`file=%s
touch -r $file /tmp/times
at=$(($(stat -c %%s $file) / 2))
byte=$(od -An -tu1 -j $at -N 1 $file)
printf "\\$(printf %%03o $((byte ^ 255)))" | dd of=$file bs=1 seek=$at conv=notrunc status=none
touch -r /tmp/times $file`, file)
}

// scheduled has a schedule take the next backup, and the one before deleted.
func (w *world) scheduled(before api.Backup) {
	w.Helper()
	w.ok("schedule", "set", "minutely", "--when", "* * * * *", "take", "main", "--node", "db1", "--copies", "2", "--keep-last", "1", "--on", "hub", "--on", "keep1")
	w.eventually("the backup of the schedule is the only one", func() error {
		switch all := w.backups(); {
		case len(all) != 1:
			return fmt.Errorf("there are %d", len(all))
		case all[0].Schedule != "minutely":
			return errors.New("it is " + all[0].ID)
		}
		return nil
	})
	w.ok("schedule", "rm", "minutely")
	for _, name := range before.Copies {
		w.eventually("the old copy is gone from "+name, func() error {
			if left := w.run(w.set.Host(name), "ls -d "+before.Path+" 2>/dev/null || true"); left != "" {
				return errors.New(left)
			}
			return nil
		})
	}
	w.eventually("nothing is under way", func() error {
		var all api.RunList
		w.json(&all, "runs")
		for _, r := range all.Runs {
			if !r.Phase.Finished() {
				return fmt.Errorf("%s is %s", r.ID, r.Phase)
			}
		}
		return nil
	})
}

// restored has the primary die, and its backup become a database elsewhere.
func (w *world) restored() {
	w.Helper()
	rows := w.number("db1", "SELECT count(*) FROM load")
	w.db["db1"].Kill()
	w.ok("restore", "main", "--backup", "latest", "--as", "standalone", "--node", "db2")
	got := w.number("db2", "SELECT count(*) FROM load")
	if got == 0 || got > rows {
		w.Errorf("%d rows, and the primary had %d at last", got, rows)
	}
	if missing := w.number("db2", "SELECT max(id) - count(*) FROM load"); missing > 40 {
		w.Errorf("%d rows are missing in between", missing) // a sequence skips some after a crash
	}
	w.sql("db2", "INSERT INTO load (text) VALUES ('after')")
	if left, err := w.db["db2"].Leftovers(w.Context()); err != nil || left != "" {
		w.Errorf("left: %s %v", left, err)
	}
	if foreign := w.foreign("db2"); foreign != "" {
		w.Errorf("not postgres's: %s", foreign)
	}

}

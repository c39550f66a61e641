package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/rackswarm/rackswarm/core/paths"
	"github.com/rackswarm/rackswarm/core/pluginhost"
	"github.com/rackswarm/rackswarm/core/yamlnode"
)

// DefaultDrivers is where the catalogue of drivers is looked for.
const DefaultDrivers = "/etc/rackswarm/drivers.sha256"

// Database is an instance of a database on this node.
type Database struct {
	Driver string // a name in the catalogue
	Data   string // its data directory
	// Settings are the driver's own. They hold no passwords: those lie in files that
	// settings name.
	Settings map[string]string
	// Commands replace the driver's ways to "start" and "stop" it.
	Commands map[string][]string
	// AllowPrimary lets runs that ask for it replace the data of a database that
	// runs and takes writes.
	AllowPrimary bool
}

const (
	databaseFix = `write {name: {driver: postgres, data: /srv/pg/main/data, settings: {bin: /usr/lib/postgresql/15/bin}, commands: {start: [...], stop: [...]}}}; settings, commands and allow_primary may be left out`
	driversFix  = "write it with: sha256sum /usr/local/lib/rackswarm/rackswarm-* >" + DefaultDrivers
)

// databaseName is what core/restore takes as a name.
var databaseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$`)

// A password betrays itself by the name of its setting, or in the text: as a
// parameter of a connection, or before the host of a URL.
var (
	secretName = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|^pwd)$`)
	secretText = regexp.MustCompile(`(?i)(\b(ssl)?password\s*=\s*[^\s]|://[^/@\s:]*:[^/@\s]+@)`)
)

func databases() setting {
	return setting{"databases", kindDatabases, databaseFix, func(c *Config, r raw) error {
		c.Databases = r.databases
		return nil
	}, func(c *Config) string {
		var all []string // without settings, which are the driver's affair
		for _, name := range slices.Sorted(maps.Keys(c.Databases)) {
			all = append(all, name+"="+c.Databases[name].Driver+":"+c.Databases[name].Data)
		}
		return strings.Join(all, ",")
	}}
}

// defaultDrivers is DefaultDrivers if there is such a file.
func defaultDrivers() string {
	if _, err := os.Stat(DefaultDrivers); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return DefaultDrivers
}

// databases reads a mapping of databases by name.
func (d *document) databases(s setting, m ast.MapNode) (raw, bool) {
	all, good := byName(d, s, "database", m, d.database)
	return raw{databases: all}, good
}

func (d *document) database(key string, at ast.Node, m ast.MapNode) (Database, bool) {
	var db Database
	good := true
	for it := m.MapRange(); it.Next(); {
		name, _ := yamlnode.Scalar(it.Key())
		if err := databaseField(&db, name, it.Value()); err != nil {
			d.fail(it.Key(), key+"."+name, databaseFix, "%v", err)
			good = false
		}
	}
	for _, needed := range []struct{ name, value string }{{"driver", db.Driver}, {"data", db.Data}} {
		if good && needed.value == "" {
			d.fail(at, key+"."+needed.name, databaseFix, "not set")
			good = false
		}
	}
	return db, good
}

func databaseField(db *Database, name string, n ast.Node) (err error) {
	text, isText := yamlnode.Scalar(n)
	switch m, isMap := n.(ast.MapNode); {
	case name == "driver" && isText:
		db.Driver = text
	case name == "data" && isText:
		db.Data = text
	case name == "settings" && isMap:
		db.Settings, err = mapping(m, func(n ast.Node) (string, error) {
			if b, ok := n.(*ast.BoolNode); ok {
				return b.GetToken().Value, nil
			}
			text, ok := yamlnode.Scalar(n)
			if !ok {
				return "", fmt.Errorf("must be a text, not %s", yamlnode.Form(n))
			}
			return text, nil
		})
	case name == "commands" && isMap:
		db.Commands, err = mapping(m, argv)
	case name == "allow_primary" && n.Type() == ast.BoolType:
		db.AllowPrimary = n.(*ast.BoolNode).Value
	case slices.Contains([]string{"driver", "data", "settings", "commands", "allow_primary"}, name):
		return fmt.Errorf("cannot be %s", yamlnode.Form(n))
	default:
		return errors.New("unknown setting")
	}
	return err
}

// mapping reads the values below a key. Errors name the key, and no value.
func mapping[T any](m ast.MapNode, read func(ast.Node) (T, error)) (map[string]T, error) {
	all := map[string]T{}
	for it := m.MapRange(); it.Next(); {
		name, ok := yamlnode.Scalar(it.Key())
		if !ok {
			return nil, errors.New("every key must be a text")
		}
		v, err := read(it.Value())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = v
	}
	return all, nil
}

// argv reads a program and its arguments.
func argv(n ast.Node) ([]string, error) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, fmt.Errorf("must be a list of a program and its arguments, not %s", yamlnode.Form(n))
	}
	var parts []string
	for _, part := range seq.Values {
		text, ok := yamlnode.Scalar(part)
		if !ok {
			return nil, fmt.Errorf("every part must be a text, not %s", yamlnode.Form(part))
		}
		parts = append(parts, text)
	}
	return parts, nil
}

func (v *validator) databases() {
	if v.c.Drivers != "" {
		v.absolute("drivers", v.c.Drivers)
	} else if len(v.c.Databases) > 0 {
		v.fail("drivers", driversFix, "not set, though databases are")
	}
	at := map[string]string{} // name by data directory
	for _, name := range slices.Sorted(maps.Keys(v.c.Databases)) {
		db := v.c.Databases[name]
		v.database(name, db)
		if other, taken := at[db.Data]; taken {
			v.fail("databases", "give each database a directory of its own", "data of %s: %s is that of %s", name, db.Data, other)
		}
		at[db.Data] = name
	}
}

func (v *validator) database(name string, db Database) {
	if !databaseName.MatchString(name) {
		v.fail("databases", "use letters, digits, '-' and '_', starting with a letter or digit; at most 60", "%q is not a name of a database", name)
	}
	v.data(name, db.Data)
	for _, key := range slices.Sorted(maps.Keys(db.Settings)) {
		if secretName.MatchString(key) || secretText.MatchString(db.Settings[key]) {
			v.fail("databases", "write the password to a file that only the database's user can read, and name the file, such as passfile=/etc/rackswarm/pgpass",
				"setting %s of %s holds a password", key, name)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(db.Commands)) {
		v.command(name, what, db.Commands[what])
	}
}

// data checks a data directory, which need not exist. Copies are made beside it.
func (v *validator) data(name, dir string) {
	fail := func(fix, format string, args ...any) {
		v.fail("databases", fix, "data of "+name+": "+format, args...)
	}
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
		fail("write the whole path, from / on", "%q is not an absolute path without '.', '..' and needless slashes", dir)
		return
	}
	parent := filepath.Dir(dir)
	info, err := os.Stat(parent)
	switch {
	case slices.Contains(v.c.Roots, dir):
		fail("name a directory inside it", "%s is one of roots, which cannot be exchanged", dir)
	case !slices.ContainsFunc(v.c.Roots, func(root string) bool { return paths.Contains(root, parent) }):
		fail("add "+parent+" to roots", "%s, where copies are made, lies in none of roots", parent)
	case errors.Is(err, fs.ErrNotExist):
		fail("create it with: mkdir -p "+parent, "%s does not exist", parent)
	case err != nil:
		fail("make it readable for the agent's user", "%v", err)
	case !info.IsDir():
		fail("name a directory", "%s is not a directory", parent)
	}
}

func (v *validator) command(name, what string, argv []string) {
	fail := func(fix, format string, args ...any) {
		v.fail("databases", fix, "command "+what+" of "+name+": "+format, args...)
	}
	if what != "start" && what != "stop" {
		fail("write start or stop", "there is no such command")
		return
	}
	if len(argv) == 0 {
		fail("write [/usr/bin/systemctl, "+what+", postgresql@15-main]", "it is empty")
		return
	}
	info, err := os.Stat(argv[0])
	switch {
	case !filepath.IsAbs(argv[0]):
		fail("write the program's whole path, from / on", "%q is not absolute", argv[0])
	case err != nil:
		fail("check the path", "%v", err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		fail("make it executable: chmod +x "+argv[0], "%s is not a program", argv[0])
	}
}

// CheckDrivers looks whether the catalogue can be used and has all drivers that
// the databases name, and all sensors that the devices do. Load leaves that out: an agent whose catalogue is broken
// does its other work. The error joins one *api.Error for each finding.
func (c *Config) CheckDrivers() error {
	if len(c.Databases)+len(c.Sensors()) == 0 || c.Drivers == "" {
		return nil // Load has reported what is missing
	}
	v := &validator{c: c}
	catalog, err := pluginhost.ReadCatalog(c.Drivers)
	if err != nil {
		fix := driversFix
		if e, ok := errors.AsType[*pluginhost.Error](err); ok {
			fix = e.Fix
		}
		v.fail("drivers", fix, "%v", err)
		return errors.Join(v.errs...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Databases)) {
		if driver := c.Databases[name].Driver; !slices.Contains(catalog.Names(), driver) {
			v.fail("databases", "add its program to the catalogue, or choose one of: "+strings.Join(catalog.Names(), ", "),
				"driver of %s: %q is not in %s", name, driver, c.Drivers)
		}
	}
	for _, name := range c.Sensors() {
		if sensor := c.Devices[name].Sensor; !slices.Contains(catalog.Sensors(), sensor) {
			v.fail("devices", "add its program to the catalogue, or choose one of: "+strings.Join(catalog.Sensors(), ", "),
				"sensor of %s: %q is not in %s", name, sensor, c.Drivers)
		}
	}
	return errors.Join(v.errs...)
}

// Sensors are the names of the devices that are sensors, sorted.
func (c *Config) Sensors() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Devices)) {
		if c.Devices[name].Sensor != "" {
			names = append(names, name)
		}
	}
	return names
}

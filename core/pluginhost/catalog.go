package pluginhost

import (
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxCatalog bounds a catalogue, in bytes.
const maxCatalog = 1 << 20

var driverName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Program is a line of a catalogue: a driver or sensor that may be started.
type Program struct {
	Kind   Kind
	Name   string // such as "postgres"
	Path   string // absolute
	SHA256 [32]byte
	Line   int // in the catalogue, from 1
}

// Catalog holds the drivers and sensors that the operator allows.
type Catalog struct {
	File     string             // for errors
	programs map[string]Program // by file name
}

// Names returns the names of the drivers, sorted.
func (c Catalog) Names() []string { return c.names(KindDriver) }

// Sensors returns the names of the sensors, sorted.
func (c Catalog) Sensors() []string { return c.names(KindSensor) }

func (c Catalog) names(k Kind) []string {
	var names []string
	for _, p := range c.programs {
		if p.Kind == k {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Program returns the driver of that name.
func (c Catalog) Program(name string) (Program, bool) { return c.program(KindDriver, name) }

// Sensor returns the sensor of that name.
func (c Catalog) Sensor(name string) (Program, bool) { return c.program(KindSensor, name) }

func (c Catalog) program(k Kind, name string) (Program, bool) {
	p, ok := c.programs[k.prefix()+name]
	return p, ok
}

// ReadCatalog reads the catalogue in file, which nobody but root and the agent's
// user may be able to change. Errors are *Error with ReasonCatalog.
func ReadCatalog(file string) (Catalog, error) {
	f, err := openTrusted(file)
	if err != nil {
		return Catalog{}, &Error{Reason: ReasonCatalog, Message: "catalogue of drivers: " + err.Error(), Fix: fixOf(err)}
	}
	defer f.Close()
	c, err := ParseCatalog(file, f)
	if err != nil {
		return Catalog{}, &Error{
			Reason: ReasonCatalog, Message: "catalogue of drivers: " + err.Error(),
			Fix: "write it with: sha256sum /usr/local/lib/rackswarm/" + Prefix + "* >" + file,
		}
	}
	return c, nil
}

// ParseCatalog reads what sha256sum writes: on each line 64 hexadecimal digits,
// two spaces (or a space and '*'), and the absolute path of a program. Empty
// lines and those that begin with '#' are left out. Errors name file and line.
func ParseCatalog(file string, r io.Reader) (Catalog, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxCatalog+1))
	if err != nil {
		return Catalog{}, fmt.Errorf("read %s: %w", file, err)
	}
	if len(data) > maxCatalog {
		return Catalog{}, fmt.Errorf("%s is longer than %d bytes", file, maxCatalog)
	}
	c := Catalog{File: file, programs: map[string]Program{}}
	n := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		n++
		if line == "" || line[0] == '#' {
			continue
		}
		p, err := parseProgram(line)
		if err != nil {
			return Catalog{}, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if other, ok := c.program(p.Kind, p.Name); ok {
			return Catalog{}, fmt.Errorf("%s:%d: the %s %q stands in line %d already", file, n, p.Kind, p.Name, other.Line)
		}
		p.Line = n
		c.programs[p.Kind.prefix()+p.Name] = p
	}
	return c, nil
}

// parseProgram reads a line.
func parseProgram(line string) (Program, error) {
	if line[0] == '\\' {
		return Program{}, fmt.Errorf("paths with a backslash or a line break are not supported")
	}
	if len(line) < 67 || line[64] != ' ' || (line[65] != ' ' && line[65] != '*') {
		return Program{}, fmt.Errorf("not a line of sha256sum: it takes 64 hexadecimal digits, two spaces and a path")
	}
	var p Program
	if _, err := hex.Decode(p.SHA256[:], []byte(line[:64])); err != nil {
		return Program{}, fmt.Errorf("not a SHA-256: %w", err)
	}
	p.Path = line[66:]
	if !utf8.ValidString(p.Path) || strings.ContainsFunc(p.Path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Program{}, fmt.Errorf("the path %q has characters that do not belong into one", p.Path)
	}
	if !filepath.IsAbs(p.Path) || filepath.Clean(p.Path) != p.Path {
		return Program{}, fmt.Errorf("the path %q is not absolute and clean", p.Path)
	}
	base := filepath.Base(p.Path)
	for _, p.Kind = range []Kind{KindDriver, KindSensor} {
		name, ok := strings.CutPrefix(base, p.Kind.prefix())
		if ok && driverName.MatchString(name) {
			p.Name = name
			return p, nil
		}
	}
	return Program{}, fmt.Errorf("%q is not the name of a driver: it takes %sNAME, or %sNAME of a sensor, of small letters, digits, '-' and '_'", base, Prefix, SensorPrefix)
}

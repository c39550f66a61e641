package pluginhost

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	sum  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	good = sum + "  /usr/local/lib/rackswarm/rackswarm-driver-files\n"
)

func TestACatalogue(t *testing.T) {
	c, err := ParseCatalog("drivers.sha256", strings.NewReader("# ours\n\n"+good+sum+" */opt/rackswarm-driver-my_db-2\n"+sum+"  /opt/rackswarm-sensor-files\n"))
	if err != nil {
		t.Fatal(err)
	}
	if names := c.Names(); !slices.Equal(names, []string{"files", "my_db-2"}) {
		t.Errorf("names: %q", names)
	}
	if names := c.Sensors(); !slices.Equal(names, []string{"files"}) {
		t.Errorf("sensors: %q", names)
	}
	if s, ok := c.Sensor("files"); !ok || s.Kind != KindSensor || s.Line != 5 {
		t.Errorf("sensor: %+v", s)
	}
	p, ok := c.Program("my_db-2")
	if !ok || p.Path != "/opt/rackswarm-driver-my_db-2" || p.Line != 4 || fmt.Sprintf("%x", p.SHA256) != sum {
		t.Errorf("program: %+v", p)
	}
}

func TestWhatSha256sumWritesIsACatalogue(t *testing.T) {
	path := filepath.Join(t.TempDir(), Prefix+"x")
	if err := os.WriteFile(path, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--text", "--binary"} {
		out, err := exec.Command("sha256sum", flag, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseCatalog("f", bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := c.Program("x"); fmt.Sprintf("%x", p.SHA256) != sumOf(t, path) || p.Path != path {
			t.Errorf("%s: %+v", flag, p)
		}
	}
}

func TestErrorsOfACatalogueNameFileAndLine(t *testing.T) {
	for line, want := range map[string]string{
		"rackswarm-driver-files":                       "not a line of sha256sum",
		sum + "\t/opt/rackswarm-driver-files":          "not a line of sha256sum",
		sum + "   ":                                    "not absolute",
		strings.Repeat("g", 64) + "  /opt/x":           "not a SHA-256",
		sum + "  rackswarm-driver-files":               "not absolute and clean",
		sum + "  /opt/../rackswarm-driver-files":       "not absolute and clean",
		sum + "  /opt/files":                           "is not the name of a driver",
		sum + "  /opt/rackswarm-driver-":               "is not the name of a driver",
		sum + "  /opt/rackswarm-driver-Files":          "is not the name of a driver",
		sum + "  /opt/rackswarm-driver-files\r":        "characters that do not belong",
		sum + "  /opt/\xff/rackswarm-driver-files":     "characters that do not belong",
		"\\" + sum + "  /o\\nt/rackswarm-driver-files": "not supported",
		strings.TrimSpace(good):                        "stands in line 1 already",
	} {
		_, err := ParseCatalog("drivers.sha256", strings.NewReader(good+"#\n"+line+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "drivers.sha256:3: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	if _, err := ParseCatalog("big", strings.NewReader(strings.Repeat("#\n", maxCatalog))); err == nil {
		t.Error("a catalogue without end was read")
	}
}

func FuzzCatalog(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("#\n" + sum + " */opt/rackswarm-driver-a"))
	f.Add([]byte("\\" + good))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCatalog("f", bytes.NewReader(data))
		if err != nil {
			return
		}
		text := ""
		for _, name := range c.Names() {
			p, _ := c.Program(name)
			if filepath.Base(p.Path) != Prefix+name || !filepath.IsAbs(p.Path) {
				t.Errorf("driver %q has the program %q", name, p.Path)
			}
			text += fmt.Sprintf("%x  %s\n", p.SHA256, p.Path)
		}
		again, err := ParseCatalog("f", strings.NewReader(text))
		if err != nil || !slices.Equal(again.Names(), c.Names()) {
			t.Errorf("written again as %q: %v", text, err)
		}
	})
}

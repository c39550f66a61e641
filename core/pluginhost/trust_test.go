package pluginhost

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with the program or the catalogue, and what the error says of it
// and of the way out.
func TestWhatIsNotStarted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, program, catalog string)
		reason Reason
		says   string
		fix    string
	}{
		"not in the catalogue": {
			func(t *testing.T, _, catalog string) { write(t, catalog, "") }, ReasonCatalog, "it is empty", "sha256sum ",
		},
		"another driver in the catalogue": {
			func(t *testing.T, _, catalog string) { write(t, catalog, good) }, ReasonCatalog, "it has files", ">>",
		},
		"no catalogue": {
			func(t *testing.T, _, catalog string) { remove(t, catalog) }, ReasonCatalog, "no such file", "",
		},
		"a spoilt catalogue": {
			func(t *testing.T, _, catalog string) { write(t, catalog, "x\n") }, ReasonCatalog, "drivers.sha256:1: not a line", "sha256sum ",
		},
		"everybody may change the catalogue": {
			func(t *testing.T, _, catalog string) { chmod(t, catalog, 0o646) }, ReasonCatalog, "by everybody (mode 0646)", "chmod o-w ",
		},
		"everybody may replace the catalogue": {
			func(t *testing.T, _, catalog string) { chmod(t, filepath.Dir(catalog), 0o777) }, ReasonCatalog, "by everybody (mode 0777)", "chmod o-w ",
		},
		"everybody may change the program": {
			func(t *testing.T, program, _ string) { chmod(t, program, 0o757) }, ReasonUntrusted, "by everybody (mode 0757)", "chmod o-w ",
		},
		"everybody may replace the program": {
			func(t *testing.T, program, _ string) { chmod(t, filepath.Dir(program), 0o777) }, ReasonUntrusted, "by everybody", "chmod o-w ",
		},
		"not executable": {
			func(t *testing.T, program, _ string) { chmod(t, program, 0o644) }, ReasonUntrusted, "not executable (mode 0644)", "chmod a+x ",
		},
		"another program": {
			func(t *testing.T, program, _ string) {
				remove(t, program)
				write(t, program, "#!/bin/true\n")
				chmod(t, program, 0o755)
			},
			ReasonUntrusted, "another SHA-256 than line 1 of ", "sha256sum ",
		},
		"no program": {
			func(t *testing.T, program, _ string) { remove(t, program) }, ReasonUntrusted, "no such file", "",
		},
		"a directory": {
			func(t *testing.T, program, _ string) {
				remove(t, program)
				if err := os.Mkdir(program, 0o755); err != nil {
					t.Fatal(err)
				}
			}, ReasonUntrusted, "no regular file", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := program(t, "fake")
			h, _ := newHost(t, Config{}, p)
			c.spoil(t, p, h.config.Catalog)
			_, err := h.Database(t.Context(), "fake")
			own := (*Error)(nil)
			if !errors.As(err, &own) || own.Reason != c.reason || own.Driver != "fake" || !strings.Contains(own.Message, c.says) || !strings.HasPrefix(own.Fix, c.fix) && !strings.Contains(own.Fix, c.fix) {
				t.Errorf("%v, want %q with %q, fix %q", err, c.reason, c.says, c.fix)
			}
			if Retryable(err) {
				t.Error("may be retried")
			}
		})
	}
}

func TestAProgramOfAnotherUserIsNotStarted(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	p := program(t, "fake")
	h, _ := newHost(t, Config{}, p)
	if err := os.Chown(p, 4242, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Database(t.Context(), "fake"); err == nil || !strings.Contains(err.Error(), "belongs to user 4242") {
		t.Error(err)
	}
	if err := os.Chown(p, 0, 4242); err != nil {
		t.Fatal(err)
	}
	chmod(t, p, 0o775)
	if _, err := h.Database(t.Context(), "fake"); err == nil || !strings.Contains(err.Error(), "by group 4242") {
		t.Error(err)
	}
}

// What was hashed is executed, whatever stands at the path by then.
func TestAReplacedProgramIsNotExecuted(t *testing.T) {
	t.Parallel()
	p := program(t, "fake")
	c, err := ReadCatalog(catalogOf(t, p))
	if err != nil {
		t.Fatal(err)
	}
	entry, _ := c.Program("fake")
	file, err := openProgram(c.File, entry)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	remove(t, p)
	write(t, p, "#!/bin/sh\nexit 7\n")
	chmod(t, p, 0o755)
	h, _ := newHost(t, Config{}, p)
	started := &pluginProcess{}
	if err := h.launch.start(t.Context(), started, entry, file); err != nil {
		t.Fatal(err)
	}
	defer started.stop()
	if d, err := started.database().Describe(t.Context()); err != nil || d.Name != "fake" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestACatalogueIsReadAgainAtEachStart(t *testing.T) {
	t.Parallel()
	p := program(t, "fake")
	h, _ := newHost(t, Config{}, p)
	entry, err := os.ReadFile(h.config.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.config.Catalog, "")
	if _, err := h.Database(t.Context(), "fake"); err == nil {
		t.Error("started without an entry")
	}
	write(t, h.config.Catalog, string(entry))
	if _, err := h.Database(t.Context(), "fake"); err != nil {
		t.Error(err)
	}
}

func TestAnAgentWithoutACatalogueSaysSo(t *testing.T) {
	t.Parallel()
	h, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Database(t.Context(), "fake"); err == nil || !strings.Contains(err.Error(), "set drivers in agent.yaml") {
		t.Error(err)
	}
	if _, err := New(Config{RunDir: "/" + strings.Repeat("x", 60)}); err == nil || !strings.Contains(err.Error(), "has 61 bytes") {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

package pluginapi

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A driver of a third party gets no more with this package than go-plugin needs.
func TestNothingHeavyIsImported(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{
		"github.com/rackswarm/rackswarm/core/pluginapi", "github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog",
		"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc",
		// what these import
		"github.com/hashicorp/yamux", "github.com/golang/protobuf", "github.com/oklog/run", "github.com/fatih/color",
		"github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "golang.org/x/net", "golang.org/x/sys", "golang.org/x/text",
	}
	n := 0
	for dep := range strings.FieldsSeq(string(out)) {
		n++
		ok := false
		for _, a := range allowed {
			ok = ok || dep == a || strings.HasPrefix(dep, a+"/")
		}
		if !ok {
			t.Errorf("a driver that imports pluginapi gets %s", dep)
		}
	}
	if n == 0 {
		t.Error("go list names no package")
	}
}

func TestTheGeneratedCodeIsUpToDate(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("protoc is not installed")
	}
	fresh := t.TempDir()
	if out, err := exec.Command("../../scripts/generate-proto", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, err := filepath.Glob("proto/*/*/*.pb.go")
	if err != nil || len(names) != 4 {
		t.Fatalf("generated files: %q, %v", names, err)
	}
	for _, name := range names {
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(fresh, strings.TrimPrefix(name, "proto/")))
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != string(want) {
			t.Errorf("%s is out of date: run make generate", name)
		}
	}
}

// Who starts a driver by hand is told what it is.
func TestADriverStartedByHandSaysWhatToDo(t *testing.T) {
	if os.Getenv("START_BY_HAND") != "" {
		ServeDatabaseDriver(nil)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestADriverStartedByHandSaysWhatToDo$")
	cmd.Env = append(os.Environ(), "START_BY_HAND=1")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "sha256sum "+os.Args[0]) {
		t.Errorf("%v: %s", err, out)
	}
}

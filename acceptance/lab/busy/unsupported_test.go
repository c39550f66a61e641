package busy

import (
	"path/filepath"
	"strings"
	"testing"
)

// Who has only version 2 of cgroup, or none, is told what to do.
func TestWithoutTheControllerTheFixIsNamed(t *testing.T) {
	some := t.TempDir()
	for dir, why := range map[string]string{some: "it is no controller", filepath.Join(some, "cpu"): "no such file"} {
		err := unsupportedAt(dir)
		if err == nil {
			t.Fatalf("%s is taken for a controller", dir)
		}
		for _, part := range []string{why, "mount -t cgroup -o cpu cgroup " + dir, "systemd.unified_cgroup_hierarchy=0"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is missing: %v", part, err)
			}
		}
	}
}

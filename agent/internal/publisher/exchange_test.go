package publisher

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/publish"
	"github.com/rackswarm/rackswarm/core/api"
)

// A path that is exchanged for a link to something else, after it was found to lie
// inside and before it is hashed, is not published.
func TestExchangedPathIsNotPublished(t *testing.T) {
	for _, name := range []string{"tree", "file"} {
		t.Run(name, func(t *testing.T) {
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			root, secret := t.TempDir(), t.TempDir()
			path := filepath.Join(root, name)
			for _, top := range []string{root, secret} {
				must(os.Mkdir(filepath.Join(top, "tree"), 0o755))
				must(os.WriteFile(filepath.Join(top, "tree", "x"), []byte("x"), 0o600))
				must(os.WriteFile(filepath.Join(top, "file"), []byte("x"), 0o600))
			}
			p := &Publisher{cfg: Config{Roots: []string{root}}}
			o, err := p.openForNodes(path)
			must(err)
			defer o.close()
			built, err := publish.Build(t.Context(), o.path, publish.Options{})
			must(err)
			must(o.holds(built))

			must(os.Rename(path, path+".old"))
			must(os.Symlink(filepath.Join(secret, name), path))
			built, err = publish.Build(t.Context(), o.path, publish.Options{Name: name})
			must(err)
			var e *api.Error
			if err := o.holds(built); !errors.As(err, &e) || e.Code != api.CodeSourceUnsuited {
				t.Errorf("%v", err)
			}
		})
	}
}
